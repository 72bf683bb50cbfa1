namespace EcomStream.PubSub.Broker;

/// <summary>What a subscription of the broker holds.</summary>
/// <param name="Backlog">Messages published and not acked, leased ones included.</param>
/// <param name="Outstanding">Messages leased to clients.</param>
/// <param name="Redelivered">Deliveries after the first, since the broker was started.</param>
public readonly record struct SubscriptionStats(long Backlog, int Outstanding, long Redelivered);
