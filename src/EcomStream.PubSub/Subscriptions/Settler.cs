using System.Threading.Channels;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// Collects acks and nacks, and sends them in batches: when a batch is full, or its first one has waited for ack-linger.
/// </summary>
internal sealed class Settler : IDeliverySettler, IAsyncDisposable
{
    private readonly SubscriptionCalls _calls;
    private readonly SubscriberSettings _settings;
    private readonly SettleRequests _requests;
    private readonly int _fullAt;
    private readonly Channel<bool> _wakeUps = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropWrite,
        SingleReader = true,
    });

    private readonly CancellationTokenSource _aborted = new();
    private readonly Lock _lock = new();
    private readonly Task _loop;
    private List<TaskCompletionSource> _flushes = [];
    private PubSubDelivery? _top;
    private bool _closed;

    public Settler(SubscriptionCalls calls, LeaseKeeper leases, FlowControl flow)
    {
        _calls = calls;
        _settings = calls.Settings.Subscriber;

        // Where the bound on what is outstanding is small, waiting for a whole batch would idle the streams.
        _fullAt = Math.Clamp(_settings.MaxOutstandingMessages / 4, 1, _settings.AckBatchSize);
        _requests = new SettleRequests(calls, leases, flow, _aborted.Token);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>See <see cref="ISubscription.AcksRefused"/>.</summary>
    public event Action<RefusedAcks>? AcksRefused
    {
        add => _requests.AcksRefused += value;
        remove => _requests.AcksRefused -= value;
    }

    public string Subscription => _calls.Name;

    /// <summary>Takes a settled delivery: a push on a lock-free stack, and a wake-up once per batch.</summary>
    public void Push(PubSubDelivery delivery)
    {
        var top = Volatile.Read(ref _top);
        while (true)
        {
            delivery.Below = top;
            delivery.Depth = top is null ? 1 : top.Depth + 1;
            var seen = Interlocked.CompareExchange(ref _top, delivery, top);
            if (ReferenceEquals(seen, top))
            {
                break;
            }

            top = seen;
        }

        if (delivery.Depth == 1 || delivery.Depth == _fullAt)
        {
            _wakeUps.Writer.TryWrite(true);
        }
    }

    /// <summary>Completes when everything pushed before the call has reached the broker, or was refused by it.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        var flushed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _flushes.Add(flushed);
        }

        _wakeUps.Writer.TryWrite(true);
        await flushed.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Gives up what has not been sent.</summary>
    public async ValueTask DisposeAsync()
    {
        await _aborted.CancelAsync();
        _wakeUps.Writer.TryComplete();
        await _loop;
        await _requests.DisposeAsync();
    }

    private async Task RunAsync()
    {
        try
        {
            while (await _wakeUps.Reader.WaitToReadAsync(_aborted.Token))
            {
                await LingerAsync();
                var flushes = TakeFlushes();
                await SendPendingAsync();
                if (flushes.Count > 0)
                {
                    _ = CompleteAsync(flushes, _requests.UnderWay());
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
        finally
        {
            lock (_lock)
            {
                _closed = true;
            }

            foreach (var flush in TakeFlushes())
            {
                flush.TrySetResult();
            }
        }
    }

    private async Task LingerAsync()
    {
        _wakeUps.Reader.TryRead(out _);
        if (_settings.AckLinger == TimeSpan.Zero || (Volatile.Read(ref _top)?.Depth ?? 0) >= _fullAt || IsFlushing())
        {
            return;
        }

        // A full batch or a flush ends the linger.
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_aborted.Token);
        var linger = Task.Delay(_settings.AckLinger, _calls.Time, over.Token);
        var wakeUp = _wakeUps.Reader.WaitToReadAsync(over.Token).AsTask();
        await Task.WhenAny(linger, wakeUp);
        await over.CancelAsync();
        await ((Task)wakeUp).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _wakeUps.Reader.TryRead(out _);
    }

    private bool IsFlushing()
    {
        lock (_lock)
        {
            return _flushes.Count > 0;
        }
    }

    private List<TaskCompletionSource> TakeFlushes()
    {
        lock (_lock)
        {
            (var flushes, _flushes) = (_flushes, []);
            return flushes;
        }
    }

    private static async Task CompleteAsync(List<TaskCompletionSource> flushes, Task[] sending)
    {
        await Task.WhenAll(sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var flush in flushes)
        {
            flush.TrySetResult();
        }
    }

    private async Task SendPendingAsync()
    {
        var top = Interlocked.Exchange(ref _top, null);
        if (top is null)
        {
            return;
        }

        // The stack has the newest on top: fill from the end, to send in the order of settling.
        var (acks, nacks) = (0, 0);
        for (var delivery = top; delivery is not null; delivery = delivery.Below)
        {
            _ = delivery.IsAcked ? acks++ : nacks++;
        }

        var (acked, nacked) = (new PubSubDelivery[acks], new PubSubDelivery[nacks]);
        for (var delivery = top; delivery is not null;)
        {
            if (delivery.IsAcked)
            {
                acked[--acks] = delivery;
            }
            else
            {
                nacked[--nacks] = delivery;
            }

            var below = delivery.Below;
            delivery.Below = null;
            delivery = below;
        }

        foreach (var request in AckIdRequests.Split(nacked, _settings.AckBatchSize))
        {
            await _requests.StartAsync(request, ack: false);
        }

        foreach (var request in AckIdRequests.Split(acked, _settings.AckBatchSize))
        {
            await _requests.StartAsync(request, ack: true);
        }
    }
}
