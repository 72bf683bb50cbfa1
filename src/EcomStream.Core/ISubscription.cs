namespace EcomStream.Core;

/// <summary>
/// One subscription, read in batches under flow control: no more than the configured messages and bytes are out
/// between the subscription and whoever settles them, and the lease of each is extended until it is settled.
/// </summary>
public interface ISubscription : IAsyncDisposable
{
    /// <summary>The subscription's name, as configured.</summary>
    string Name { get; }

    /// <summary>What is under way now.</summary>
    SubscriptionStatus Status { get; }

    /// <summary>
    /// Receives until <paramref name="stop"/> is cancelled, which ends the enumeration without an exception. Lost
    /// connections are made again with backoff inside. One enumeration at a time; when one has failed, another may be
    /// started. Deliveries that were received stay leased
    /// and can be settled after the enumeration has ended, until the subscription is disposed.
    /// </summary>
    /// <exception cref="SubscriptionFailedException">
    /// The subscription does not exist, or may not be read: trying again will not help.
    /// </exception>
    IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync(CancellationToken stop);

    /// <summary>Completes when every settlement that was asked for before the call has reached the broker.</summary>
    Task FlushAsync(CancellationToken cancellationToken);
}

/// <summary>What a subscription has under way.</summary>
/// <param name="IsReading">Whether a stream to the broker is open and asks for messages.</param>
/// <param name="OutstandingMessages">Messages received and not yet settled.</param>
/// <param name="OutstandingBytes">Their bytes.</param>
public readonly record struct SubscriptionStatus(bool IsReading, int OutstandingMessages, long OutstandingBytes);

/// <summary>A subscription that cannot be read, however often it is tried.</summary>
/// <param name="message">Which subscription, on which endpoint, the status, and what to do next.</param>
/// <param name="innerException">What the adapter caught.</param>
public sealed class SubscriptionFailedException(string message, Exception? innerException = null)
    : Exception(message, innerException);
