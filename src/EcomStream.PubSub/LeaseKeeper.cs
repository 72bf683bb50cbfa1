using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Extends the ack deadline of everything received and not settled, in batches, from one timer, when a third of it has
/// passed. It holds responses and not messages, so that a message costs nothing here until then. How long a lease is
/// extended follows what settling takes.
/// </summary>
internal sealed class LeaseKeeper : IAsyncDisposable
{
    private const int RequestsAtOnce = 4;

    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(5);

    // A lease covers the age of its messages, so that those of a store that stands still are extended ever more seldom.
    // Ages are rounded up, to share requests.
    private static readonly TimeSpan AgeStep = TimeSpan.FromSeconds(10);

    // Below this, confirmed acks may come too late for the service
    // (https://cloud.google.com/pubsub/docs/exactly-once-delivery).
    private static readonly TimeSpan LeastExactlyOnce = TimeSpan.FromSeconds(60);

    private readonly SubscriptionCalls _calls;
    private readonly SubscriberSettings _settings;
    private readonly Lock _lock = new();
    private readonly LinkedList<LeasedBatch> _batches = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly SettleTimes _settleTimes = new();
    private readonly TimeSpan _timeout;
    private readonly Task _loop;
    private volatile bool _exactlyOnce;
    private volatile RpcException? _failure;
    private int _failedMessages;
    private int _failedTicks;

    public LeaseKeeper(SubscriptionCalls calls)
    {
        _calls = calls;
        _settings = calls.Settings.Subscriber;

        // A request that hangs leaves time for another before the shortest lease ends.
        var third = _settings.AckDeadline / 3;
        _timeout = third < calls.Settings.Connection.RequestTimeout ? third : calls.Settings.Connection.RequestTimeout;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>The subscription delivers exactly once: acks are confirmed, or refused for good, one by one.</summary>
    public void DeliversExactlyOnce()
    {
        if (!_exactlyOnce)
        {
            _exactlyOnce = true;
            _calls.Logger.LogInformation("Subscription {Subscription} delivers exactly once: acks are confirmed", _calls.Path);
        }
    }

    /// <summary>Leases what a response brought.</summary>
    public void Add(PubSubDelivery[] deliveries, StreamShare stream)
    {
        var batch = new LeasedBatch(deliveries, stream, _calls.Time.GetTimestamp(), _settings.AckDeadline);
        lock (_lock)
        {
            batch.Node = _batches.AddLast(batch);
        }
    }

    /// <summary>Ends the leases of messages that the broker knows to be settled.</summary>
    public void Remove(ArraySegment<PubSubDelivery> deliveries)
    {
        var now = _calls.Time.GetTimestamp();
        LeasedBatch? last = null;
        var count = 0;
        foreach (var delivery in deliveries)
        {
            if (delivery.Batch is not { } batch)
            {
                continue;
            }

            if (batch != last)
            {
                Record(last, count, now);
                (last, count) = (batch, 0);
            }

            count++;
            if (batch.Remove(delivery))
            {
                Remove(batch);
            }
        }

        Record(last, count, now);
    }

    /// <summary>Everything that the broker does not know to be settled.</summary>
    public PubSubDelivery[] Open()
    {
        lock (_lock)
        {
            return [.. _batches.SelectMany(batch => batch.Open())];
        }
    }

    /// <summary>Stops extending.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _loop;
    }

    private void Record(LeasedBatch? batch, int count, long now)
    {
        if (batch is not null)
        {
            _settleTimes.Record(_calls.Time.GetElapsedTime(batch.ReceivedAt, now), count);
        }
    }

    // Long enough for 99 in 100, and for the messages themselves to become as old again.
    private TimeSpan LeaseOf(LeasedBatch batch, TimeSpan percentile99, long now)
    {
        var age = _calls.Time.GetElapsedTime(batch.ReceivedAt, now);
        var wanted = new[] { percentile99, AgeStep * Math.Ceiling(age / AgeStep), _exactlyOnce ? LeastExactlyOnce : TimeSpan.Zero }.Max();
        return wanted < _settings.AckDeadline ? _settings.AckDeadline : wanted > _settings.MaxAckDeadline ? _settings.MaxAckDeadline : wanted;
    }

    private void Remove(LeasedBatch batch)
    {
        lock (_lock)
        {
            if (batch.Node is { List: not null } node)
            {
                _batches.Remove(node);
            }
        }
    }

    private async Task RunAsync()
    {
        var tick = _settings.AckDeadline / 12;
        using var timer = new PeriodicTimer(tick < LongestTick ? tick : LongestTick, _calls.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopped.Token))
            {
                await ExtendOrLogAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    // An error that no one expects is no reason to let every lease end.
    private async Task ExtendOrLogAsync()
    {
        try
        {
            await ExtendAsync();
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            _calls.Logger.LogError(error, "Extending the leases of subscription {Subscription} failed; it is tried again", _calls.Path);
        }
    }

    private async Task ExtendAsync()
    {
        var now = _calls.Time.GetTimestamp();
        GiveUp(now);
        var due = Due(now);
        if (due.Count == 0)
        {
            return;
        }

        (_failure, _failedMessages) = (null, 0);
        var percentile99 = _settleTimes.Percentile99;
        await Task.WhenAll(due.GroupBy(batch => LeaseOf(batch, percentile99, now)).Select(group => ExtendAsync([.. group], group.Key, now)));
        LogFailure();
    }

    private void LogFailure()
    {
        _failedTicks = _failure is null ? 0 : _failedTicks + 1;
        if (_failure is { } error && Retry.IsWorthAWarning(_failedTicks))
        {
            _calls.Logger.LogWarning(
                "Extending the leases of {Count} messages of subscription {Subscription} on {Endpoint} failed with {Status} ({Detail}), try {Try}; it is tried again",
                _failedMessages,
                _calls.Path,
                _calls.Settings.Endpoint,
                error.StatusCode,
                error.Status.Detail,
                _failedTicks);
        }
    }

    private async Task ExtendAsync(LeasedBatch[] batches, TimeSpan lease, long now)
    {
        // A batch counts as extended when every request with messages of it has arrived; otherwise the next tick sends it again.
        var failed = new ConcurrentDictionary<LeasedBatch, bool>();
        var extended = 0;
        await Parallel.ForEachAsync(
            AckIdRequests.Split([.. batches.SelectMany(batch => batch.Open())], int.MaxValue),
            new ParallelOptions { MaxDegreeOfParallelism = RequestsAtOnce, CancellationToken = _stopped.Token },
            async (request, cancellationToken) =>
            {
                if (await ExtendAsync(request, lease, cancellationToken))
                {
                    Interlocked.Add(ref extended, request.Count);
                }
                else
                {
                    foreach (var delivery in request)
                    {
                        failed.TryAdd(delivery.Batch!, true);
                    }
                }
            });
        PubSubMetrics.Extended.Add(extended, _calls.Tags);
        foreach (var batch in batches.Where(batch => !failed.ContainsKey(batch)))
        {
            (batch.ExtendedAt, batch.Lease) = (now, lease);
        }
    }

    private List<LeasedBatch> Due(long now)
    {
        lock (_lock)
        {
            return [.. _batches.Where(batch => _calls.Time.GetElapsedTime(batch.ExtendedAt, now) >= batch.Lease / 3)];
        }
    }

    private void GiveUp(long now)
    {
        List<LeasedBatch> expired;
        lock (_lock)
        {
            // Responses are added as they come, so the oldest are first.
            expired = [.. _batches.TakeWhile(batch => _calls.Time.GetElapsedTime(batch.ReceivedAt, now) >= _settings.MaxExtension)];
            foreach (var batch in expired)
            {
                _batches.Remove(batch);
            }
        }

        foreach (var batch in expired)
        {
            var count = batch.Open().Count();
            PubSubMetrics.Expired.Add(count, _calls.Tags);
            _calls.Logger.LogWarning(
                "{Count} messages of subscription {Subscription} are not settled after max-extension {MaxExtension}: their leases end and they will be "
                + "delivered again; they are outstanding until they are settled",
                count,
                _calls.Path,
                _settings.MaxExtension);
        }
    }

    private async Task<bool> ExtendAsync(ArraySegment<PubSubDelivery> request, TimeSpan lease, CancellationToken cancellationToken)
    {
        try
        {
            await _calls.ModifyAckDeadlineAsync(request, lease, _timeout, cancellationToken);
            return true;
        }
        catch (RpcException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (RpcException error) when (AckFailures.Of(error, request) is { } failures)
        {
            // An id that was acked meanwhile is unknown, too: the settler is told whether that ack has arrived.
            Lost([.. failures.Permanent.Where(delivery => !delivery.IsSettled)]);
            return failures.Temporary.Length == 0;
        }
        catch (RpcException error)
        {
            _failure = error;
            Interlocked.Add(ref _failedMessages, request.Count);
            return false;
        }
    }

    // The service has given them to someone else, or will: extending them again is no use, and their acks will be refused.
    private void Lost(PubSubDelivery[] deliveries)
    {
        if (deliveries.Length == 0)
        {
            return;
        }

        PubSubMetrics.Expired.Add(deliveries.Length, _calls.Tags);
        _calls.Logger.LogWarning(
            "The leases of {Count} messages of subscription {Subscription} are lost, first message {MessageId}: they will be delivered again",
            deliveries.Length,
            _calls.Path,
            deliveries[0].MessageId);
        foreach (var delivery in deliveries)
        {
            if (delivery.Batch is { } batch && batch.Remove(delivery))
            {
                Remove(batch);
            }
        }
    }
}
