using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>The materialized value of a <see cref="PubSubSource"/>: stops, drains and closes it.</summary>
public sealed class PubSubControl : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly PubSubSubscription _subscription;

    internal PubSubControl(PubSubSubscription subscription) => _subscription = subscription;

    /// <summary>What is under way.</summary>
    public SubscriptionStatus Status => _subscription.Status;

    internal CancellationToken Stopping => _stop.Token;

    /// <summary>Receives no more: the stream completes. What was received can still be settled.</summary>
    public Task StopAsync() => _stop.CancelAsync();

    /// <summary>Stops, and completes when everything that was received is settled and the broker knows it.</summary>
    /// <param name="cancellationToken">Ends the waiting; what is not settled by then is left to <see cref="DisposeAsync"/>.</param>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _subscription.WhenSettledAsync(cancellationToken);
    }

    /// <summary>Stops, sends the settlements that were asked for, and gives the rest back.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _subscription.DisposeAsync();
    }

    /// <summary>Closes what nobody may hold the control of.</summary>
    internal Task CloseWhenSettledAsync() => _subscription.DisposeWhenSettledAsync();

    internal IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync() => _subscription.ReceiveAsync(Stopping);
}
