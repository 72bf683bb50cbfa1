using System.Collections.Frozen;
using System.Diagnostics;

namespace EcomStream.Core;

/// <summary>
/// One delivery of one message by a subscription. Whoever makes its effect durable settles it, once, from any thread;
/// until then its lease is extended and it counts as outstanding.
/// </summary>
public abstract class Delivery
{
    /// <summary>No attributes.</summary>
    public static readonly IReadOnlyDictionary<string, string> NoAttributes = FrozenDictionary<string, string>.Empty;

    /// <summary>The message's data, as published.</summary>
    public abstract ReadOnlyMemory<byte> Data { get; }

    /// <summary>The message's attributes; <see cref="NoAttributes"/> without any.</summary>
    public abstract IReadOnlyDictionary<string, string> Attributes { get; }

    /// <summary>The id that the broker gave to the message.</summary>
    public abstract string MessageId { get; }

    /// <summary>Publish time, microseconds since the Unix epoch.</summary>
    public abstract long PublishTimeMicros { get; }

    /// <summary>The key within which the broker keeps the order of publishing; empty for none.</summary>
    public string OrderingKey { get; init; } = "";

    /// <summary>The subscription's name, as configured.</summary>
    public abstract string Subscription { get; }

    /// <summary>The span of the message from its receipt until it is settled; null when none is recorded.</summary>
    public virtual Activity? Trace => null;

    /// <summary>
    /// Acknowledges the message. Returns at once: acks are sent in batches, and the flow-control slot returns when
    /// the ack has been sent. Does nothing when the delivery is settled already.
    /// </summary>
    public abstract void Ack();

    /// <summary>
    /// Acknowledges the message, like <see cref="Ack"/>, and completes when it is known what became of the ack. For
    /// effects that must not happen twice, on a subscription with exactly-once delivery: only an accepted ack says that
    /// the message is not delivered again.
    /// </summary>
    public virtual Task<AckResult> AckAsync()
    {
        Ack();
        return Task.FromResult(AckResult.Unknown);
    }

    /// <summary>
    /// Gives the message back to be delivered again at once. Does nothing when the delivery is settled already.
    /// </summary>
    public abstract void Nack();
}
