namespace EcomStream.Core;

/// <summary>Which unmatched rows to list.</summary>
public sealed record UnmatchedQuery
{
    /// <summary>Only rows in this state; null for all.</summary>
    public UnmatchedState? State { get; init; }

    /// <summary>Only rows with this reason; null for all.</summary>
    public DeadLetterReason? Reason { get; init; }

    /// <summary>Only rows of this order; null for all.</summary>
    public long? OrderId { get; init; }

    /// <summary>Only rows published at or after this time, microseconds since the Unix epoch.</summary>
    public long PublishedFromMicros { get; init; } = long.MinValue;

    /// <summary>Only rows published at or before this time, microseconds since the Unix epoch.</summary>
    public long PublishedUntilMicros { get; init; } = long.MaxValue;

    /// <summary>Only rows behind this one in the order of the listing; null from its beginning.</summary>
    public UnmatchedCursor? After { get; init; }

    /// <summary>At most so many rows.</summary>
    public int Limit { get; init; } = int.MaxValue;
}

/// <summary>An unmatched row that an order would heal, without what it says.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="State">Whether it waits or was dead-lettered.</param>
/// <param name="PublishTimeMicros">Publish time of its message, microseconds since the Unix epoch.</param>
public readonly record struct HealablePayment(long OrderId, UnmatchedState State, long PublishTimeMicros);
