using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What a <see cref="DeadLetterSink"/> works with.</summary>
/// <param name="Settings">The settings.</param>
/// <param name="Store">Where the rows are.</param>
/// <param name="Publisher">Where the dead letters go.</param>
/// <param name="Index">The orders that have unmatched payments; only the sink writes it.</param>
/// <param name="Metrics">What is counted.</param>
/// <param name="Time">The clock.</param>
internal sealed record SinkContext(
    EcomStreamSettings Settings,
    IFactStore Store,
    IPublisher Publisher,
    UnmatchedIndex Index,
    EcomStreamMetrics Metrics,
    TimeProvider Time);
