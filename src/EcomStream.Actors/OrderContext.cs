using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>What all order actors of one shard share.</summary>
/// <param name="Supervisor">Their supervisor.</param>
/// <param name="Writer">The writer of the shard.</param>
/// <param name="Settings">The settings.</param>
internal sealed record OrderContext(IActorRef Supervisor, IActorRef Writer, EcomStreamSettings Settings);
