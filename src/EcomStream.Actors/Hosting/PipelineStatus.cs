using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>The current work of a pipeline.</summary>
/// <param name="Orders">The orders subscription.</param>
/// <param name="Payments">The payments subscription.</param>
/// <param name="DeadLetters">The subscription to heal from; null for none.</param>
/// <param name="WaitingOrders">Order ids with a payment that waits for the order.</param>
/// <param name="SinceLastReceived">Time since a message was last received, or since the start.</param>
/// <param name="OrdersWatermark">How far the orders have been read.</param>
/// <param name="IsCaughtUp">
/// Whether every subscription has been read to its end: also messages that a reader that is gone may still hold.
/// </param>
public readonly record struct PipelineStatus(
    SubscriptionStatus Orders,
    SubscriptionStatus Payments,
    SubscriptionStatus? DeadLetters,
    int WaitingOrders,
    TimeSpan SinceLastReceived,
    WatermarkReading OrdersWatermark,
    bool IsCaughtUp)
{
    /// <summary>Whether nothing is left to receive, nothing is in flight or waits, and nothing has arrived for a time.</summary>
    public bool IsIdleFor(TimeSpan time) =>
        IsCaughtUp
        && Orders.OutstandingMessages == 0 && Payments.OutstandingMessages == 0
        && DeadLetters is null or { OutstandingMessages: 0 }
        && WaitingOrders == 0
        && SinceLastReceived >= time;
}
