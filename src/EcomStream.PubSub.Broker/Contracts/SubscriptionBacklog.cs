namespace EcomStream.PubSub.Broker;

/// <summary>
/// What a subscription of the broker has not acked, at one instant. All times are microseconds since the Unix epoch on the
/// clock of the broker, which also sets the publish times.
/// </summary>
/// <param name="UnackedMessages">
/// Messages that are published and not acked, leased ones included. Messages that the subscription's filter rejects are not
/// counted.
/// </param>
/// <param name="OldestUnackedPublishTimeMicros">Publish time of the oldest of them; 0 when there are none.</param>
/// <param name="LeasedMessages">How many of them are leased to readers.</param>
/// <param name="LatestLeaseExpiryMicros">When the last of these leases expires unless it is extended; 0 when there are none.</param>
/// <param name="NowMicros">When this was determined. Every message published later has a later publish time.</param>
public readonly record struct SubscriptionBacklog(
    long UnackedMessages, long OldestUnackedPublishTimeMicros, long LeasedMessages, long LatestLeaseExpiryMicros, long NowMicros)
{
    /// <summary>Clients that have streams open, told apart by their client id; each stream without one counts by itself.</summary>
    public int Readers { get; init; }

    /// <summary>Requests that their streams have sent so far, keep-alives included.</summary>
    public long ReaderRequests { get; init; }
}
