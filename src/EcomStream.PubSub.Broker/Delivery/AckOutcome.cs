using EcomStream.PubSub.Broker.Resources;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// What became of ack ids where it is told: on a subscription with exactly-once delivery
/// (https://cloud.google.com/pubsub/docs/exactly-once-delivery).
/// </summary>
internal sealed class AckOutcome
{
    /// <summary>Acked, or extended; and staying so.</summary>
    public List<string> Done { get; } = [];

    /// <summary>Expired or unknown: the message may be delivered again, and nothing but that helps.</summary>
    public List<string> Invalid { get; } = [];

    /// <summary>Acked before an earlier message of the same ordering key: may be tried again after that.</summary>
    public List<string> Unordered { get; } = [];

    public bool IsWhole => Invalid.Count + Unordered.Count == 0;

    /// <summary>Something to fill, if the subscription tells what became of its ack ids.</summary>
    public static AckOutcome? For(SubscriptionSettings settings) =>
        settings.EnableExactlyOnceDelivery ? new AckOutcome() : null;
}
