using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What the pipeline reads from and writes to. Whoever makes them disposes them, after the actor system has ended.</summary>
/// <param name="Store">Facts and unmatched payments.</param>
/// <param name="Orders">The orders subscription.</param>
/// <param name="Payments">The payments subscription.</param>
/// <param name="Publisher">Publishes dead letters.</param>
public sealed record EcomStreamPorts(IFactStore Store, ISubscription Orders, ISubscription Payments, IPublisher Publisher);
