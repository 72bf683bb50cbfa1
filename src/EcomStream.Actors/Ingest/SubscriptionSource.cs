using Akka;
using Akka.Streams;
using Akka.Streams.Dsl;
using Akka.Util;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>A subscription as a source of Akka.Streams.</summary>
public static class SubscriptionSource
{
    private static readonly RestartSettings Restarts =
        RestartSettings.Create(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(10), randomFactor: 0.2);

    /// <summary>
    /// The deliveries of a subscription in batches. Each is to be settled once what it caused is durable, also after the
    /// stream has ended. The source reads again with backoff when reading fails, and fails with
    /// <see cref="SubscriptionFailedException"/> when the subscription cannot be read at all. Backpressure is the
    /// subscription's bound on outstanding messages and bytes.
    /// </summary>
    /// <param name="subscription">The subscription; it is not disposed with the stream.</param>
    /// <returns>A source that can be materialized once; its control stops it.</returns>
    public static Source<IReadOnlyList<Delivery>, SubscriptionControl> Create(ISubscription subscription)
    {
        // A failure that a restart does not cure passes the restart as an element, and fails the stream behind it.
        var control = new SubscriptionControl(subscription);
        return RestartSource
            .OnFailuresWithBackoff(
                () => Source.From(() => subscription.ReceiveAsync(control.Stopping))
                    .Select(batch => new Arrival(batch, null))
                    .Recover(failure => failure is SubscriptionFailedException
                        ? Option<Arrival>.Create(new Arrival([], failure))
                        : Option<Arrival>.None),
                Restarts)
            .Select(received => received.Failure is { } failure ? throw failure : received.Batch)
            .MapMaterializedValue(_ => control);
    }

    private sealed record Arrival(IReadOnlyList<Delivery> Batch, Exception? Failure);
}

/// <summary>The materialized value of a <see cref="SubscriptionSource"/>: stops and drains it.</summary>
public sealed class SubscriptionControl : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ISubscription _subscription;

    internal SubscriptionControl(ISubscription subscription) => _subscription = subscription;

    /// <summary>What is under way.</summary>
    public SubscriptionStatus Status => _subscription.Status;

    internal CancellationToken Stopping => _stop.Token;

    /// <summary>Receives no more: the stream completes. What was received can still be settled.</summary>
    public Task StopAsync() => _stop.CancelAsync();

    /// <summary>Stops it.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }
}
