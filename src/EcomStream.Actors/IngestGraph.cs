using Akka;
using Akka.Streams;
using Akka.Streams.Dsl;
using Akka.Util;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The stream of one subscription: receive, decode, route. It is restarted with backoff when it fails; it fails for
/// good when the subscription says that trying again will not help. Backpressure is the subscription's bound on
/// outstanding messages and bytes: what is routed is settled before more is received.
/// </summary>
internal static class IngestGraph
{
    private static readonly TimeSpan MinBackoff = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan MaxBackoff = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Builds the graph; its task completes when <paramref name="stop"/> has ended the receiving, or after
    /// <paramref name="failed"/> was told that the subscription cannot be read.
    /// </summary>
    public static IRunnableGraph<Task<Done>> Create(
        ISubscription subscription,
        MessageDecoder decoder,
        OrderRouter router,
        int decoders,
        Action<IReadOnlyList<Delivery>> received,
        Action<Exception> failed,
        CancellationToken stop) =>
        RestartSource
            .OnFailuresWithBackoff(
                () => Source.From(() => subscription.ReceiveAsync(stop))
                    .Select(batch => new Received(batch, null))
                    .Recover(failure => failure is SubscriptionFailedException
                        ? Option<Received>.Create(new Received([], failure))
                        : Option<Received>.None),
                RestartSettings.Create(MinBackoff, MaxBackoff, randomFactor: 0.2))
            .SelectAsync(decoders, element =>
            {
                if (element.Failure is { } failure)
                {
                    failed(failure);
                    return Task.FromResult<IReadOnlyList<OrderMessage>>([]);
                }

                received(element.Batch);
                return decoders == 1
                    ? Task.FromResult(decoder.Decode(element.Batch))
                    : Task.Run(() => decoder.Decode(element.Batch), CancellationToken.None);
            })
            .ToMaterialized(Sink.ForEach<IReadOnlyList<OrderMessage>>(router.Route), Keep.Right);

    private sealed record Received(IReadOnlyList<Delivery> Batch, Exception? Failure);
}
