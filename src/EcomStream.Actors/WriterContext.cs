using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What a <see cref="FactWriter"/> works with.</summary>
/// <param name="Settings">The settings.</param>
/// <param name="Store">The fact store.</param>
/// <param name="Sink">The dead-letter sink.</param>
/// <param name="Router">Where refused payments go back to.</param>
/// <param name="Index">The orders that have unmatched payments.</param>
/// <param name="Metrics">What is counted.</param>
/// <param name="Time">The clock.</param>
internal sealed record WriterContext(
    EcomStreamSettings Settings,
    IFactStore Store,
    IActorRef Sink,
    OrderRouter Router,
    UnmatchedIndex Index,
    EcomStreamMetrics Metrics,
    TimeProvider Time)
{
    /// <summary>Now, microseconds since the Unix epoch.</summary>
    public long NowMicros => Timestamps.Micros(Time.GetUtcNow());
}
