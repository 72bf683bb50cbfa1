using System.Threading.Channels;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Sends acks and nacks in batches, with one unary request per batch: its answer says that they arrived, and only then
/// do their leases end and their flow-control slots return.
/// </summary>
internal sealed class Settler : IAsyncDisposable
{
    private const int MostIdsInLog = 20;

    private readonly SubscriptionCalls _calls;
    private readonly LeaseKeeper _leases;
    private readonly FlowControl _flow;
    private readonly SubscriberSettings _settings;
    private readonly int _fullAt;
    private readonly Channel<bool> _wakeUps = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropWrite,
        SingleReader = true,
    });

    private readonly SemaphoreSlim _requests;
    private readonly CancellationTokenSource _aborted = new();
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _sending = [];
    private readonly Task _loop;
    private List<TaskCompletionSource> _flushes = [];
    private PubSubDelivery? _top;
    private bool _closed;

    public Settler(SubscriptionCalls calls, LeaseKeeper leases, FlowControl flow)
    {
        _calls = calls;
        _leases = leases;
        _flow = flow;
        _settings = calls.Settings.Subscriber;

        // Where the bound on what is outstanding is small, waiting for a whole batch would idle the streams.
        _fullAt = Math.Clamp(_settings.MaxOutstandingMessages / 4, 1, _settings.AckBatchSize);
        _requests = new SemaphoreSlim(_settings.AckParallelism);
        _loop = Task.Run(RunAsync);
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
        await Task.WhenAll(Sending());
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
                    _ = CompleteAsync(flushes, Sending());
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

    private Task[] Sending()
    {
        lock (_lock)
        {
            return [.. _sending];
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
            await StartAsync(request, ack: false);
        }

        foreach (var request in AckIdRequests.Split(acked, _settings.AckBatchSize))
        {
            await StartAsync(request, ack: true);
        }
    }

    private async Task StartAsync(ArraySegment<PubSubDelivery> deliveries, bool ack)
    {
        await _requests.WaitAsync(_aborted.Token);
        var sending = SendAsync(deliveries, ack);
        lock (_lock)
        {
            _sending.Add(sending);
        }

        _ = ForgetAsync(sending);
    }

    private async Task ForgetAsync(Task sending)
    {
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _sending.Remove(sending);
        }

        _requests.Release();
    }

    private async Task SendAsync(ArraySegment<PubSubDelivery> deliveries, bool ack)
    {
        try
        {
            var refused = await SendUntilAnsweredAsync(deliveries, ack);
            (ack ? PubSubMetrics.Acked : PubSubMetrics.Nacked).Add(deliveries.Count - refused, _calls.Tags);
        }
        catch (OperationCanceledException)
        {
            // Disposed: the broker delivers them again.
        }
        finally
        {
            _leases.Remove(deliveries);
            _flow.Release(deliveries);
        }
    }

    private void Refused(IReadOnlyCollection<PubSubDelivery> deliveries, bool ack, string reason, Exception? error = null)
    {
        PubSubMetrics.Refused.Add(deliveries.Count, _calls.Tags);
        _calls.Logger.LogError(
            error,
            "The {Kind} of {Count} messages of subscription {Subscription} was refused: {Reason} They will be delivered again: {MessageIds}{More}",
            ack ? "ack" : "nack",
            deliveries.Count,
            _calls.Path,
            reason,
            string.Join(", ", deliveries.Take(MostIdsInLog).Select(delivery => delivery.MessageId)),
            deliveries.Count > MostIdsInLog ? ", ..." : "");
    }

    // How many were refused for good. It comes with a slot and leaves with one.
    private async Task<int> SendUntilAnsweredAsync(ArraySegment<PubSubDelivery> deliveries, bool ack)
    {
        var (left, refused) = (deliveries, 0);
        try
        {
            for (var failures = 1; ; failures++)
            {
                RpcException failure;
                try
                {
                    await (ack
                        ? _calls.AcknowledgeAsync(left, _aborted.Token)
                        : _calls.ModifyAckDeadlineAsync(left, TimeSpan.Zero, _calls.Settings.Connection.RequestTimeout, _aborted.Token));
                    return refused;
                }
                catch (RpcException error) when (_aborted.IsCancellationRequested)
                {
                    throw new OperationCanceledException("The request was cancelled.", error, _aborted.Token);
                }
                catch (RpcException error) when (AckFailures.Of(error, left) is { } parts)
                {
                    if (parts.Permanent.Length > 0)
                    {
                        refused += parts.Permanent.Length;
                        Refused(parts.Permanent, ack, "their leases had ended.");
                    }

                    left = parts.Temporary;
                    if (left.Count == 0)
                    {
                        return refused;
                    }

                    failure = new RpcException(new Status(StatusCode.Unavailable, $"{left.Count} of the ids failed for now"));
                }
                catch (RpcException error) when (PubSubErrors.IsRetryable(error))
                {
                    failure = error;
                }

                await BackOffAsync(failure, failures, left.Count);
            }
        }
        catch (RpcException error)
        {
            refused += left.Count;
            Refused(left, ack, PubSubErrors.Explain(error, "subscription", _calls.Account));
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // An unexpected error: what waits behind these goes on.
            refused += left.Count;
            Refused(left, ack, $"{error.Message.TrimEnd('.')}.", error);
        }

        return refused;
    }

    // Without its slot: what these ids wait for may be the ack of an earlier message of their ordering key, which needs one.
    private async Task BackOffAsync(RpcException failure, int failures, int count)
    {
        var delay = _calls.Settings.Retry.After(failures);
        if (Retry.IsWorthAWarning(failures))
        {
            _calls.Logger.LogWarning(
                "Settling {Count} messages of subscription {Subscription} on {Endpoint} failed with {Status} ({Detail}), try {Try}, again in {Delay}",
                count,
                _calls.Path,
                _calls.Settings.Endpoint,
                failure.StatusCode,
                failure.Status.Detail,
                failures,
                delay);
        }

        _requests.Release();
        try
        {
            await Task.Delay(delay, _calls.Time, _aborted.Token);
        }
        finally
        {
            // Even when it is aborted, because whoever started the request releases the slot.
            await _requests.WaitAsync(CancellationToken.None);
        }
    }
}
