using Akka.Streams.Dsl;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Akka.Streams sources of Pub/Sub messages.</summary>
public static class PubSubSource
{
    /// <summary>
    /// The deliveries of a subscription in batches, each to be settled by <see cref="Delivery.Ack"/> once what it
    /// caused is durable. Flow control, leases and reconnecting are the subscription's. The stream fails with
    /// <see cref="SubscriptionFailedException"/> when the subscription cannot be read at all. The source can be
    /// materialized once, since it owns its subscription.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="subscription">The subscription's name, short or full.</param>
    public static Source<IReadOnlyList<Delivery>, PubSubControl> Committable(PubSubConnection connection, string subscription)
    {
        var control = new PubSubControl(new PubSubSubscription(connection, subscription));
        return Source.From(() => control.Subscription.ReceiveAsync(control.Stopping)).MapMaterializedValue(_ => control);
    }
}
