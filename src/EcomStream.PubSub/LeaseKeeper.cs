using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Extends the ack deadline of everything received and not settled, in batches, from one timer. It holds responses and
/// not messages, so that a message costs nothing here until it has been open for the extension period.
/// </summary>
internal sealed class LeaseKeeper : IAsyncDisposable
{
    private const int RequestsAtOnce = 4;

    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(5);

    private readonly SubscriptionCalls _calls;
    private readonly SubscriberSettings _settings;
    private readonly Lock _lock = new();
    private readonly LinkedList<LeasedBatch> _batches = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly Task _loop;

    public LeaseKeeper(SubscriptionCalls calls)
    {
        _calls = calls;
        _settings = calls.Settings.Subscriber;
        _loop = Task.Run(RunAsync);
    }

    public void Add(LeasedBatch batch)
    {
        lock (_lock)
        {
            batch.Node = _batches.AddLast(batch);
        }
    }

    /// <summary>Ends the leases of messages that the broker knows to be settled.</summary>
    public void Remove(ArraySegment<PubSubDelivery> deliveries)
    {
        foreach (var delivery in deliveries)
        {
            if (delivery.Batch is { } batch && batch.Remove(delivery))
            {
                Remove(batch);
            }
        }
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
        var tick = _settings.ExtensionPeriod / 4;
        using var timer = new PeriodicTimer(tick < LongestTick ? tick : LongestTick, _calls.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopped.Token))
            {
                await ExtendAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
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

        // A batch counts as extended only when every request has arrived; otherwise the next tick sends it again.
        var complete = true;
        var extended = 0;
        await Parallel.ForEachAsync(
            AckIdRequests.Split([.. due.SelectMany(batch => batch.Open())], int.MaxValue),
            new ParallelOptions { MaxDegreeOfParallelism = RequestsAtOnce, CancellationToken = _stopped.Token },
            async (request, cancellationToken) =>
            {
                if (await ExtendAsync(request, cancellationToken))
                {
                    Interlocked.Add(ref extended, request.Count);
                }
                else
                {
                    complete = false;
                }
            });
        PubSubMetrics.Extended.Add(extended, _calls.Tags);
        if (complete)
        {
            foreach (var batch in due)
            {
                batch.ExtendedAt = now;
            }
        }
    }

    private List<LeasedBatch> Due(long now)
    {
        lock (_lock)
        {
            return [.. _batches.Where(batch => _calls.Time.GetElapsedTime(batch.ExtendedAt, now) >= _settings.ExtensionPeriod)];
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
                "{Count} messages of subscription {Subscription} are not settled after max-extension {MaxExtension}: their leases end and they will be delivered again",
                count,
                _calls.Path,
                _settings.MaxExtension);
        }
    }

    private async Task<bool> ExtendAsync(ArraySegment<PubSubDelivery> request, CancellationToken cancellationToken)
    {
        try
        {
            await _calls.ModifyAckDeadlineAsync(request, _settings.AckDeadline, cancellationToken);
            return true;
        }
        catch (RpcException error) when (!cancellationToken.IsCancellationRequested)
        {
            _calls.Logger.LogWarning(
                "Extending the leases of {Count} messages of subscription {Subscription} on {Endpoint} failed with {Status} ({Detail}); it is tried again",
                request.Count,
                _calls.Path,
                _calls.Settings.Endpoint,
                error.StatusCode,
                error.Status.Detail);
            return false;
        }
        catch (RpcException)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }
}
