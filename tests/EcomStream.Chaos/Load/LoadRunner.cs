using System.Diagnostics;

namespace EcomStream.Chaos.Load;

/// <summary>Publishes what the shop gives out, at a rate, each message when it is due.</summary>
/// <param name="shop">The messages.</param>
/// <param name="client">Publishes them.</param>
/// <param name="ordersPerSecond">New orders per second.</param>
/// <param name="onConfirmed">Called with each message that the broker has confirmed.</param>
internal sealed class LoadRunner(Shop shop, ILoadClient client, double ordersPerSecond, Action<ShopMessage> onConfirmed)
{
    private const int MostUnconfirmed = 5_000;
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(20);

    private readonly PriorityQueue<ShopMessage, TimeSpan> _due = new();
    private int _unconfirmed;
    private volatile Exception? _failure;

    /// <summary>Publishes until it is told to stop, and then what the orders that it has begun still need.</summary>
    /// <param name="stop">No more orders begin.</param>
    /// <param name="cancellationToken">Ends it at once.</param>
    /// <returns>Completes when the broker has confirmed everything.</returns>
    public async Task RunAsync(CancellationToken stop, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var begun = 0.0;
        var last = TimeSpan.Zero;
        while (_due.Count > 0 || Volatile.Read(ref _unconfirmed) > 0 || !stop.IsCancellationRequested)
        {
            if (_failure is { } failure)
            {
                throw new InvalidOperationException($"Publishing with {client.Name} failed: {failure.Message}", failure);
            }

            var now = clock.Elapsed;

            // While the broker is away nothing is owed: the rate is that of what it takes.
            var owed = Volatile.Read(ref _unconfirmed) < MostUnconfirmed ? Math.Min((now - last).TotalSeconds, 1) * ordersPerSecond : 0;
            last = now;
            for (begun += owed; begun >= 1 && !stop.IsCancellationRequested; begun--)
            {
                foreach (var (after, message) in shop.Next())
                {
                    _due.Enqueue(message, now + after);
                }
            }

            while (_due.TryPeek(out _, out var at) && at <= now)
            {
                Interlocked.Increment(ref _unconfirmed);
                _ = PublishAsync(_due.Dequeue(), cancellationToken);
            }

            await Task.Delay(_tick, cancellationToken);
        }
    }

    private async Task PublishAsync(ShopMessage message, CancellationToken cancellationToken)
    {
        try
        {
            await client.PublishAsync(message, cancellationToken);
            onConfirmed(message);
        }
        catch (Exception failed)
        {
            _failure = failed;
        }
        finally
        {
            Interlocked.Decrement(ref _unconfirmed);
        }
    }
}
