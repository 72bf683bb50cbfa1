using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>What an <see cref="OrderSupervisor"/> works with.</summary>
/// <param name="Settings">The settings.</param>
/// <param name="Writer">The writer of the shard.</param>
/// <param name="Sink">The dead-letter sink.</param>
/// <param name="Index">The orders that have unmatched payments.</param>
internal sealed record ShardContext(EcomStreamSettings Settings, IActorRef Writer, IActorRef Sink, UnmatchedIndex Index);
