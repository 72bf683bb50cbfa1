using Akka;
using Akka.Streams.Dsl;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Akka.Streams flows that publish.</summary>
public static class PubSubFlow
{
    /// <summary>
    /// Publishes batches and passes their message ids on, in order. One call is under way at a time, which keeps the
    /// order of the batches on the topic; several flows publish side by side.
    /// </summary>
    /// <param name="publisher">Who publishes; it is not disposed with the flow.</param>
    /// <param name="topic">The topic's name, short or full.</param>
    /// <param name="cancellationToken">Ends the retries of a broker that is not there, and with them the stream.</param>
    public static Flow<IReadOnlyList<OutgoingMessage>, IReadOnlyList<string>, NotUsed> Publish(
        IPublisher publisher, string topic, CancellationToken cancellationToken) =>
        Flow.Create<IReadOnlyList<OutgoingMessage>>()
            .SelectAsync(1, messages => publisher.PublishAsync(topic, messages, cancellationToken));

    /// <summary>
    /// Publishes single messages, with up to <paramref name="parallelism"/> in flight, and passes their message ids on in the order of the messages. The
    /// publisher batches them and keeps the order within each ordering key. A message that is refused for good fails the
    /// stream with <see cref="PublishFailedException"/>.
    /// </summary>
    /// <param name="publisher">Who publishes; it is not disposed with the flow.</param>
    /// <param name="parallelism">Messages under way.</param>
    /// <param name="cancellationToken">Ends the stream; messages that have not been sent are not published.</param>
    public static Flow<OutgoingMessage, string, NotUsed> Publish(
        BatchingPublisher publisher, int parallelism = 1_000, CancellationToken cancellationToken = default) =>
        Flow.Create<OutgoingMessage>().SelectAsync(
            parallelism,
            async message => await await publisher.EnqueueAsync(message, cancellationToken));
}
