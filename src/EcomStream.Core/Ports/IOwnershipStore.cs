namespace EcomStream.Core;

/// <summary>
/// A store that several processes may share and that records which of them joins a subscription. Two processes that join
/// the same subscription without being one cluster would both hold actors of one order, and lose payments.
/// </summary>
public interface IOwnershipStore
{
    /// <summary>
    /// Records the process as the owner of a subscription, or renews its record, unless another owner has one that has not
    /// expired.
    /// </summary>
    /// <param name="subscription">The subscription's full name.</param>
    /// <param name="owner">The process.</param>
    /// <param name="timeToLive">When the record expires unless it is renewed, in whole seconds.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>The owner on record after the call; null when the store cannot keep such records.</returns>
    /// <exception cref="StoreUnavailableException">The same call may succeed later.</exception>
    ValueTask<SubscriptionOwner?> ClaimAsync(
        string subscription, SubscriptionOwner owner, TimeSpan timeToLive, CancellationToken cancellationToken);

    /// <summary>Deletes the record of an owner; one of another owner stays.</summary>
    /// <param name="subscription">The subscription's full name.</param>
    /// <param name="ownerId">The owner's <see cref="SubscriptionOwner.Id"/>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="StoreUnavailableException">The same call may succeed later.</exception>
    ValueTask ReleaseAsync(string subscription, string ownerId, CancellationToken cancellationToken);
}

/// <summary>Who joins a subscription.</summary>
/// <param name="Id">Unique for each start of a process; the same for all nodes of one cluster.</param>
/// <param name="Process">The host and the process, for people.</param>
/// <param name="Machine">Identifies the machine and, in a container, its process namespace; empty when that is not known.</param>
/// <param name="ProcessId">The process id there.</param>
/// <param name="ProcessStartedMicros">When that process started, microseconds since the Unix epoch.</param>
/// <param name="RenewedMicros">When the record was last renewed, microseconds since the Unix epoch on the owner's clock.</param>
public sealed record SubscriptionOwner(
    string Id, string Process, string Machine, int ProcessId, long ProcessStartedMicros, long RenewedMicros);
