using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What the pipeline reads from and writes to. Whoever makes them disposes them, after the actor system has ended.</summary>
/// <param name="Store">Facts and unmatched payments.</param>
/// <param name="Orders">The orders subscription.</param>
/// <param name="Payments">The payments subscription.</param>
/// <param name="Publisher">Publishes dead letters.</param>
/// <param name="DeadLetters">A subscription of payments' dead letters to heal from; null for none.</param>
public sealed record EcomStreamPorts(
    IFactStore Store, ISubscription Orders, ISubscription Payments, IPublisher Publisher, ISubscription? DeadLetters = null)
{
    /// <summary>
    /// Whether nobody else reads the subscriptions, which whoever makes the ports sees to. Where the store is an
    /// <see cref="ICleanStopStore"/>, a start after a clean stop then waits for no leases of the last run.
    /// </summary>
    public bool IsOnlyReader { get; init; }

    /// <summary>Every subscription that is read.</summary>
    internal IEnumerable<ISubscription> Subscriptions => DeadLetters is null ? [Orders, Payments] : [Orders, Payments, DeadLetters];
}
