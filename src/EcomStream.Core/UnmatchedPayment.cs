namespace EcomStream.Core;

/// <summary>What became of a payment that had no order.</summary>
public enum UnmatchedState
{
    /// <summary>It waits for its order; its message is acked.</summary>
    Waiting = 0,

    /// <summary>It was published to the dead-letter topic.</summary>
    DeadLettered = 1,

    /// <summary>Its order came and the fact was joined.</summary>
    Healed = 2,

    /// <summary>An operator gave it up.</summary>
    Discarded = 3,
}

/// <summary>One row of <c>unmatched_payments</c>: a payment that waits for its order or was dead-lettered.</summary>
public sealed record UnmatchedPayment
{
    /// <summary>The order that the payment names.</summary>
    public required long OrderId { get; init; }

    /// <summary><see cref="Payment.Key"/>: with the order id, the key of the row.</summary>
    public required string PaymentKey { get; init; }

    /// <summary>The payment as received: the message's data, unchanged.</summary>
    public required ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Publish time of its message, microseconds since the Unix epoch.</summary>
    public required long PublishTimeMicros { get; init; }

    /// <summary>Id of its message.</summary>
    public required string MessageId { get; init; }

    /// <summary>The subscription it came from, as configured.</summary>
    public required string Subscription { get; init; }

    /// <summary>Why it is here.</summary>
    public required DeadLetterReason Reason { get; init; }

    /// <summary>What became of it.</summary>
    public required UnmatchedState State { get; init; }

    /// <summary>When the row was first written, microseconds since the Unix epoch.</summary>
    public required long SinceMicros { get; init; }

    /// <summary>When <see cref="State"/> last changed, microseconds since the Unix epoch.</summary>
    public required long ChangedMicros { get; init; }

    /// <summary>What a human should know about it.</summary>
    public string Detail { get; init; } = "";

    /// <summary>How often an operator has replayed it.</summary>
    public int Replays { get; init; }

    /// <summary>The stamp of its message.</summary>
    public Stamp Stamp => Stamp.Of(PublishTimeMicros, MessageId);

    /// <summary>Whether an order that arrives now is to take this payment.</summary>
    public bool IsHealable => State.IsHealable(Reason);

    /// <summary>
    /// The id that every copy of this payment's dead letter carries, so that a reader can drop duplicates.
    /// </summary>
    public string DeadLetterId => $"{OrderId}-{PaymentKey}";
}

/// <summary>Which unmatched rows to list.</summary>
public sealed record UnmatchedQuery
{
    /// <summary>Only rows in this state; null for all.</summary>
    public UnmatchedState? State { get; init; }

    /// <summary>Only rows with this reason; null for all.</summary>
    public DeadLetterReason? Reason { get; init; }

    /// <summary>Only rows of this order; null for all.</summary>
    public long? OrderId { get; init; }

    /// <summary>Only rows published at or before this time, microseconds since the Unix epoch.</summary>
    public long PublishedUntilMicros { get; init; } = long.MaxValue;

    /// <summary>At most so many rows.</summary>
    public int Limit { get; init; } = int.MaxValue;
}
