using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Stops a running <see cref="PubSubSource"/>.</summary>
public sealed class PubSubControl : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();

    internal PubSubControl(ISubscription subscription) => Subscription = subscription;

    /// <summary>What is under way.</summary>
    public SubscriptionStatus Status => Subscription.Status;

    internal ISubscription Subscription { get; }

    internal CancellationToken Stopping => _stop.Token;

    /// <summary>Receives no more: the stream completes. What was received can still be settled.</summary>
    public Task StopAsync() => _stop.CancelAsync();

    /// <summary>Stops, sends the settlements that were asked for, and gives the rest back.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Subscription.DisposeAsync();
        _stop.Dispose();
    }
}
