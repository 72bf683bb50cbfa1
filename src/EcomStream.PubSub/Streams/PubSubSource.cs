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
    /// a subscription of its own. When the stream has completed or was cancelled, what it let through can still be
    /// settled: the subscription is closed when all of that is settled, after max-extension at the latest, or when its
    /// control is disposed. When the stream has failed, or its materializer was shut down, what is not settled is given
    /// back at once.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="subscription">The subscription's name, short or full.</param>
    public static Source<IReadOnlyList<Delivery>, PubSubControl> Committable(PubSubConnection connection, string subscription) =>
        Source.FromGraph(new PubSubSourceStage(() => new PubSubSubscription(connection, subscription)));

    /// <summary>
    /// Like <see cref="Committable"/>, message by message, each as the context of what becomes of it:
    /// <see cref="PubSubSink.CommitContext{T}"/> acks them.
    /// </summary>
    /// <param name="connection">The connection.</param>
    /// <param name="subscription">The subscription's name, short or full.</param>
    public static SourceWithContext<Delivery, Delivery, PubSubControl> CommittableWithContext(PubSubConnection connection, string subscription) =>
        Committable(connection, subscription).SelectMany(batch => batch).AsSourceWithContext(delivery => delivery);

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
