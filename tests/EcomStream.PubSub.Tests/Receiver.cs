using System.Collections.Concurrent;
using System.Text;
using EcomStream.Core;

namespace EcomStream.PubSub.Tests;

/// <summary>Enumerates a subscription in the background and keeps what it brings.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<Delivery> _received = new();
    private readonly ISubscription _subscription;
    private readonly Action<Delivery> _settle;

    public Receiver(ISubscription subscription, Action<Delivery>? settle = null)
    {
        _subscription = subscription;
        _settle = settle ?? (_ => { });
        Completion = Task.Run(RunAsync);
    }

    /// <summary>Completes when the enumeration has ended.</summary>
    public Task Completion { get; }

    public int Count => _received.Count;

    public IReadOnlyList<Delivery> Deliveries => [.. _received];

    public IReadOnlyList<string> Texts => [.. _received.Select(delivery => Encoding.UTF8.GetString(delivery.Data.Span))];

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Completion;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task RunAsync()
    {
        await foreach (var batch in _subscription.ReceiveAsync(_stop.Token))
        {
            foreach (var delivery in batch)
            {
                _received.Enqueue(delivery);
                _settle(delivery);
            }
        }
    }
}
