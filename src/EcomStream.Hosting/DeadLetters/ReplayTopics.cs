using EcomStream.Core;

namespace EcomStream.Hosting;

/// <summary>Where dead letters are replayed to.</summary>
internal static class ReplayTopics
{
    /// <summary>The topic that a row came from; null for a subscription that is not one of the pipeline.</summary>
    public static string? Of(UnmatchedPayment row, HostSettings settings) =>
        row.Subscription == settings.Pipeline.OrdersSubscription ? settings.OrdersTopic
        : row.Subscription == settings.Pipeline.PaymentsSubscription || !row.IsMessage ? settings.PaymentsTopic
        : null;
}
