namespace EcomStream.Core;

/// <summary>
/// A store that remembers, across restarts, that the only reader of a subscription has given back everything before it
/// stopped. The next reader then need not wait for leases of the last one to run out.
/// </summary>
public interface ICleanStopStore
{
    /// <summary>Records that a subscription was left with nothing in flight. Does nothing when the store cannot keep that.</summary>
    /// <param name="subscription">The subscription's full name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="StoreUnavailableException">It may not be recorded.</exception>
    ValueTask SetCleanStopAsync(string subscription, CancellationToken cancellationToken);

    /// <summary>
    /// Deletes the record and says whether there was one. A reader calls it before it receives anything, so that a record
    /// is used once, and never after a crash.
    /// </summary>
    /// <param name="subscription">The subscription's full name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="StoreUnavailableException">The same call may succeed later.</exception>
    ValueTask<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken);
}
