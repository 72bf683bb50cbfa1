using Akka;
using Akka.Streams;
using Akka.Streams.Dsl;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The stream of one subscription: receive, decode, send to the shards. Batches are the elements, so that a message costs
/// nothing in the stream itself.
/// </summary>
internal static class IngestGraph
{
    /// <summary>Builds the graph.</summary>
    /// <param name="subscription">The subscription.</param>
    /// <param name="monitor">Is told what is received.</param>
    /// <param name="decoder">Decodes its messages.</param>
    /// <param name="decoders">Batches decoded at the same time.</param>
    /// <param name="router">Leads to the shards.</param>
    /// <returns>A graph whose control stops it, and whose task completes when it has ended.</returns>
    public static IRunnableGraph<(SubscriptionControl Control, Task<Done> Ended)> Create(
        ISubscription subscription, SubscriptionMonitor monitor, MessageDecoder decoder, int decoders, OrderRouter router) =>
        SubscriptionSource.Create(subscription)
            .Select(batch =>
            {
                monitor.Received(batch);
                return batch;
            })
            .Via(Decode(decoder, decoders))
            .ToMaterialized(Shards(router), (control, ended) => (control, ended));

    /// <summary>Decodes batches; their order is kept.</summary>
    public static Flow<IReadOnlyList<Delivery>, IReadOnlyList<OrderMessage>, NotUsed> Decode(MessageDecoder decoder, int decoders) =>
        decoders == 1
            ? Flow.Create<IReadOnlyList<Delivery>>().Select(decoder.Decode)
            : Flow.Create<IReadOnlyList<Delivery>>().SelectAsync(decoders, batch => Task.Run(() => decoder.Decode(batch)));

    /// <summary>Partitions batches by shard and sends each part to its shard.</summary>
    public static Sink<IReadOnlyList<OrderMessage>, Task<Done>> Shards(OrderRouter router) =>
        Sink.ForEach<IReadOnlyList<OrderMessage>>(router.Route);
}
