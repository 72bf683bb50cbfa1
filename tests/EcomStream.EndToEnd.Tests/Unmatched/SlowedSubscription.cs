using System.Diagnostics;
using System.Runtime.CompilerServices;
using EcomStream.Core;

namespace EcomStream.EndToEnd.Tests.Unmatched;

/// <summary>Counts what comes through another subscription, and how fast.</summary>
internal class CountedSubscription(ISubscription inner) : ISubscription
{
    private readonly Stopwatch _clock = new();
    private long _received;
    private volatile bool _holds;
    private TimeSpan _lastReceived;

    public string Name => inner.Name;

    // A batch that is held back here has not been handed out.
    public SubscriptionStatus Status => inner.Status is var status && _holds ? status with { IsFull = true } : status;

    public long Received => Volatile.Read(ref _received);

    /// <summary>Messages per second, from the first to the last so far.</summary>
    public double Rate => _lastReceived > TimeSpan.Zero ? Received / _lastReceived.TotalSeconds : 0;

    public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
    {
        _clock.Start();
        await foreach (var batch in inner.ReceiveAsync(stop))
        {
            _holds = true;
            await BeforeAsync(batch.Count, stop);
            Interlocked.Add(ref _received, batch.Count);
            _lastReceived = _clock.Elapsed;
            _holds = false;
            yield return batch;
        }
    }

    public ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken) => inner.ProbeAsync(cancellationToken);

    public OutstandingMessage? OldestOutstanding() => inner.OldestOutstanding();

    public Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    protected virtual Task BeforeAsync(int messages, CancellationToken stop) => Task.CompletedTask;
}

/// <summary>A subscription that is read at a share of another one's rate, while that one is read and after it.</summary>
internal sealed class SlowedSubscription(ISubscription inner, CountedSubscription other, double share) : CountedSubscription(inner)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    protected override async Task BeforeAsync(int messages, CancellationToken stop)
    {
        while (Received + messages > other.Rate * share * _clock.Elapsed.TotalSeconds && !stop.IsCancellationRequested)
        {
            await Task.Delay(5, CancellationToken.None);
        }
    }
}
