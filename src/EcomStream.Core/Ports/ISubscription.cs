namespace EcomStream.Core;

/// <summary>
/// One subscription, read in batches under flow control: no more than the configured messages and bytes are out
/// between the subscription and whoever settles them, and the lease of each is extended until it is settled.
/// </summary>
public interface ISubscription : IAsyncDisposable
{
    /// <summary>The subscription's name, as configured.</summary>
    string Name { get; }

    /// <summary>The subscription's full name on its broker; the same as <see cref="Name"/> where the broker has only that.</summary>
    string FullName => Name;

    /// <summary>What is under way now.</summary>
    SubscriptionStatus Status { get; }

    /// <summary>
    /// Raised, on any thread, when the broker has refused acks for good: the messages were handled here and will be
    /// delivered again. Brokers refuse acks only of subscriptions with exactly-once delivery, or when the subscription may
    /// not be read any more. A client that is not told of refusals never raises it.
    /// </summary>
    event Action<RefusedAcks>? AcksRefused
    {
        add { }
        remove { }
    }

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

    /// <summary>
    /// Makes one round trip to the broker on the connection that carries the messages. When it returns, the broker was
    /// reachable, and every message that it had sent before the probe has arrived here.
    /// </summary>
    /// <exception cref="Exception">The broker did not answer.</exception>
    ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken);

    /// <summary>The received and unsettled message with the oldest publish time; null when nothing is outstanding.</summary>
    OutstandingMessage? OldestOutstanding();

    /// <summary>Completes when every settlement that was asked for before the call has reached the broker.</summary>
    Task FlushAsync(CancellationToken cancellationToken);

    /// <summary>
    /// After the disposal, whether the broker leases nothing to this reader any more: it has ended the streams, and it has
    /// taken every ack, and a nack of everything else. False for clients that do not know.
    /// </summary>
    bool GaveEverythingBack => false;
}

/// <summary>Acks that the broker has refused for good.</summary>
/// <param name="Subscription">The subscription's name, as configured.</param>
/// <param name="Deliveries">The deliveries whose acks were refused.</param>
/// <param name="Reason">Why.</param>
public sealed record RefusedAcks(string Subscription, IReadOnlyList<Delivery> Deliveries, string Reason);

/// <summary>What a subscription has under way.</summary>
/// <param name="IsReading">Whether all its streams to the broker are open and ask for messages.</param>
/// <param name="OutstandingMessages">Messages received and not yet settled.</param>
/// <param name="OutstandingBytes">Their bytes.</param>
/// <param name="StreamsOpened">Streams opened so far; it grows when a stream was lost and is open again.</param>
public readonly record struct SubscriptionStatus(bool IsReading, int OutstandingMessages, long OutstandingBytes, long StreamsOpened = 0)
{
    /// <summary>
    /// Whether its bounds keep it from taking or handing out more messages: its silence then says nothing about the
    /// broker.
    /// </summary>
    public bool IsFull { get; init; }

    /// <summary>How often a stream was opened in place of one that had ended.</summary>
    public long StreamsReopened { get; init; }
}

/// <summary>A message that was received and not settled.</summary>
/// <param name="MessageId">Its id.</param>
/// <param name="PublishTimeMicros">Its publish time, microseconds since the Unix epoch.</param>
public readonly record struct OutstandingMessage(string MessageId, long PublishTimeMicros);

/// <summary>What a broker reported in a round trip. What it cannot report is null.</summary>
/// <param name="BrokerTimeMicros">The broker's clock, microseconds since the Unix epoch.</param>
/// <param name="LongestLease">The longest time for which a reader that died may still hold messages.</param>
/// <param name="Backlog">The exact backlog; only some brokers report it.</param>
public readonly record struct SubscriptionProbe(long? BrokerTimeMicros, TimeSpan? LongestLease, SubscriptionBacklog? Backlog)
{
    /// <summary>
    /// Messages that were received here, handed out, and not settled at the end of the round trip; a message that is outstanding
    /// in two deliveries counts once. When these are all of <see cref="Backlog"/>, every message was received. Messages whose
    /// settlement is on its way do not count, because the broker may have taken it or not. Null when it is not known.
    /// </summary>
    public int? ReceivedMessages { get; init; }
}

/// <summary>The messages of a subscription that are not acked.</summary>
/// <param name="UnackedMessages">Published and not acked, whether delivered or not.</param>
/// <param name="OldestPublishTimeMicros">Publish time of the oldest of them, microseconds since the Unix epoch; meaningless without any.</param>
/// <param name="LeasedMessages">Those of them that a reader holds.</param>
public readonly record struct SubscriptionBacklog(long UnackedMessages, long OldestPublishTimeMicros, long LeasedMessages);

/// <summary>A subscription that cannot be read, however often it is tried.</summary>
/// <param name="message">Which subscription, on which endpoint, the status, and what to do next.</param>
/// <param name="innerException">What the adapter caught.</param>
public sealed class SubscriptionFailedException(string message, Exception? innerException = null)
    : Exception(message, innerException);
