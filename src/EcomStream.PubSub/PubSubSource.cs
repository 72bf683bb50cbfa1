using Akka.Streams.Dsl;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Akka.Streams sources of Pub/Sub messages.</summary>
public static class PubSubSource
{
    /// <summary>
    /// The deliveries of a subscription in batches, each to be settled by <see cref="Delivery.Ack"/> once what it
    /// caused is durable. Flow control, leases and reconnecting are the subscription's. The stream fails with
    /// <see cref="SubscriptionFailedException"/> when the subscription cannot be read at all. Each materialization has
    /// a subscription of its own. What the stream let through can be settled after it has ended: the subscription is
    /// closed when all of that is settled, after max-extension at the latest, or when its control is disposed.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="subscription">The subscription's name, short or full.</param>
    public static Source<IReadOnlyList<Delivery>, PubSubControl> Committable(PubSubConnection connection, string subscription) =>
        Source.FromGraph(new PubSubSourceStage(() => new PubSubSubscription(connection, subscription)));

    /// <summary>
    /// The deliveries of a subscription in batches, acked when the stream asks for them: at most once, for what may be
    /// lost. Settling them does nothing.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="subscription">The subscription's name, short or full.</param>
    public static Source<IReadOnlyList<Delivery>, PubSubControl> Plain(PubSubConnection connection, string subscription) =>
        Committable(connection, subscription).Select(batch =>
        {
            foreach (var delivery in batch)
            {
                delivery.Ack();
            }

            return batch;
        });
}
