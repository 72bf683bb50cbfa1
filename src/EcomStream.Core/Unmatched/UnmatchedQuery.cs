namespace EcomStream.Core;

/// <summary>Which unmatched rows to list.</summary>
public sealed record UnmatchedQuery
{
    /// <summary>Only rows in one of these states; empty for all.</summary>
    public IReadOnlyList<UnmatchedState> States { get; init; } = [];

    /// <summary>Only rows with one of these reasons; empty for all.</summary>
    public IReadOnlyList<DeadLetterReason> Reasons { get; init; } = [];

    /// <summary>Only rows of this order; null for all.</summary>
    public long? OrderId { get; init; }

    /// <summary>Only rows published at or after this time, microseconds since the Unix epoch.</summary>
    public long PublishedFromMicros { get; init; } = long.MinValue;

    /// <summary>Only rows published at or before this time, microseconds since the Unix epoch.</summary>
    public long PublishedUntilMicros { get; init; } = long.MaxValue;

    /// <summary>Whether the newest publish time comes first; the order is then reversed as a whole.</summary>
    public bool NewestFirst { get; init; }

    /// <summary>Only rows that follow this one in the order of the listing; null from its beginning.</summary>
    public UnmatchedCursor? After { get; init; }

    /// <summary>At most so many rows.</summary>
    public int Limit { get; init; } = int.MaxValue;

    /// <summary>Whether a row passes all filters and follows <see cref="After"/>.</summary>
    /// <param name="place">The row's place.</param>
    /// <param name="state">Its state.</param>
    /// <param name="reason">Its reason.</param>
    public bool Matches(UnmatchedCursor place, UnmatchedState state, DeadLetterReason reason) =>
        Selects(state, reason)
        && (OrderId is null || OrderId == place.OrderId)
        && place.PublishTimeMicros >= PublishedFromMicros
        && place.PublishTimeMicros <= PublishedUntilMicros
        && (After is not { } after || Compare(place, after) > 0);

    /// <summary>Whether rows with a state and a reason are asked for.</summary>
    /// <param name="state">The state.</param>
    /// <param name="reason">The reason.</param>
    public bool Selects(UnmatchedState state, DeadLetterReason reason) =>
        (States.Count == 0 || States.Contains(state)) && (Reasons.Count == 0 || Reasons.Contains(reason));

    /// <summary>Compares two places in the order of the listing.</summary>
    public int Compare(UnmatchedCursor left, UnmatchedCursor right) => NewestFirst ? right.CompareTo(left) : left.CompareTo(right);
}

/// <summary>How many unmatched rows share an hour, a reason and a state.</summary>
/// <param name="HourMicros">Start of the hour of their publish time, UTC, microseconds since the Unix epoch.</param>
/// <param name="Reason">Their reason.</param>
/// <param name="State">Their state.</param>
/// <param name="Rows">How many there are.</param>
public readonly record struct UnmatchedCount(long HourMicros, DeadLetterReason Reason, UnmatchedState State, long Rows)
{
    /// <summary>Microseconds of an hour.</summary>
    public const long MicrosPerHour = 3_600_000_000;

    /// <summary>The start of the hour of a time, microseconds since the Unix epoch.</summary>
    public static long HourOf(long micros) => micros - (((micros % MicrosPerHour) + MicrosPerHour) % MicrosPerHour);
}

/// <summary>A change of an unmatched row that takes effect only while the row is as it was read.</summary>
/// <param name="Before">The row as it was read; null when there was none.</param>
/// <param name="After">The row to write, with the same key.</param>
public sealed record UnmatchedChange(UnmatchedPayment? Before, UnmatchedPayment After);

/// <summary>An unjoined payment (<see cref="UnmatchedPayment.IsUnjoined"/>) without its data.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="State">Whether it waits, was dead-lettered or was discarded.</param>
/// <param name="PublishTimeMicros">Publish time of its message, microseconds since the Unix epoch.</param>
public readonly record struct UnjoinedPayment(long OrderId, UnmatchedState State, long PublishTimeMicros);
