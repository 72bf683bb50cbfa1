using Akka;
using Akka.Streams.Dsl;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Akka.Streams sinks that settle messages. Acks are sent in batches by the subscription.</summary>
public static class PubSubSink
{
    /// <summary>Acks every delivery of the batches.</summary>
    /// <returns>A sink whose task completes when the stream has ended.</returns>
    public static Sink<IReadOnlyList<Delivery>, Task<Done>> Commit() => Sink.ForEach<IReadOnlyList<Delivery>>(batch =>
    {
        foreach (var delivery in batch)
        {
            delivery.Ack();
        }
    });

    /// <summary>Acks every delivery that is the context of an element; see <see cref="PubSubSource.CommittableWithContext"/>.</summary>
    /// <typeparam name="T">The elements, whose effect is durable once they reach this sink.</typeparam>
    /// <returns>A sink whose task completes when the stream has ended.</returns>
    public static Sink<(T Element, Delivery Context), Task<Done>> CommitContext<T>() =>
        Sink.ForEach<(T Element, Delivery Context)>(element => element.Context.Ack());
}
