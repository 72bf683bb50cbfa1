using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace EcomStream.PubSub;

/// <summary>
/// What is counted, once per batch, under OpenTelemetry's names for messaging
/// (https://opentelemetry.io/docs/specs/semconv/messaging/).
/// </summary>
internal static class PubSubMetrics
{
    private static readonly Meter Meter = new("EcomStream.PubSub");

    /// <summary>Messages received.</summary>
    public static readonly Counter<long> Consumed = Meter.CreateCounter<long>("messaging.client.consumed.messages", "{message}");

    /// <summary>Messages that the broker has taken.</summary>
    public static readonly Counter<long> Sent = Meter.CreateCounter<long>("messaging.client.sent.messages", "{message}");

    /// <summary>
    /// Messages received whose delivery attempt is above 1. The service counts attempts, nacks included, only where the
    /// subscription has a dead-letter policy; elsewhere this stays at 0, whatever is delivered again.
    /// </summary>
    public static readonly Counter<long> Redelivered = Meter.CreateCounter<long>(
        "ecomstream.pubsub.redelivered", "{message}", "Messages with a delivery attempt above 1; counted only where the subscription has a dead-letter policy");

    /// <summary>Acks that reached the broker.</summary>
    public static readonly Counter<long> Acked = Meter.CreateCounter<long>("ecomstream.pubsub.acked", "{message}");

    /// <summary>Nacks that reached the broker.</summary>
    public static readonly Counter<long> Nacked = Meter.CreateCounter<long>("ecomstream.pubsub.nacked", "{message}");

    /// <summary>Acks and nacks that the broker refused for good.</summary>
    public static readonly Counter<long> Refused = Meter.CreateCounter<long>("ecomstream.pubsub.settlements.refused", "{message}");

    /// <summary>Messages that were not handed out, because the broker did not confirm their receipt (exactly-once delivery).</summary>
    public static readonly Counter<long> ReceiptsRefused = Meter.CreateCounter<long>("ecomstream.pubsub.receipts.refused", "{message}");

    /// <summary>Leases extended.</summary>
    public static readonly Counter<long> Extended = Meter.CreateCounter<long>("ecomstream.pubsub.leases.extended", "{message}");

    /// <summary>Leases lost to another client, or given up after max-extension.</summary>
    public static readonly Counter<long> Expired = Meter.CreateCounter<long>("ecomstream.pubsub.leases.expired", "{message}");

    /// <summary>Streams opened.</summary>
    public static readonly Counter<long> StreamsOpened = Meter.CreateCounter<long>("ecomstream.pubsub.streams.opened", "{stream}");

    /// <summary>Streams restarted because the server did not answer a keep-alive.</summary>
    public static readonly Counter<long> StreamsUnanswered = Meter.CreateCounter<long>("ecomstream.pubsub.streams.unanswered", "{stream}");

    /// <summary>The attributes of a subscription.</summary>
    public static TagList OfSubscription(string name) =>
        new() { { "messaging.system", "gcp_pubsub" }, { "messaging.destination.subscription.name", name } };

    /// <summary>The attributes of a topic.</summary>
    public static TagList OfTopic(string name) =>
        new() { { "messaging.system", "gcp_pubsub" }, { "messaging.destination.name", name } };
}
