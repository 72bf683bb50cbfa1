using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Extends the ack deadline of everything received and not settled, in batches, from one timer, when a third of it has
/// passed. It holds responses and not messages, so that a message costs nothing here until then.
/// </summary>
internal sealed class LeaseKeeper : IAsyncDisposable
{
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(5);

    private readonly SubscriptionCalls _calls;
    private readonly FlowControl _flow;
    private readonly SubscriberSettings _settings;
    private readonly LeaseExtender _extender;
    private readonly LeasedBatches _batches;
    private readonly CancellationTokenSource _stopped = new();
    private readonly LeaseTerms _terms;
    private readonly Task _loop;
    private int _failedTicks;

    public LeaseKeeper(SubscriptionCalls calls, FlowControl flow)
    {
        _calls = calls;
        _batches = new LeasedBatches(calls.Time);
        _terms = new LeaseTerms(calls);
        _flow = flow;
        _settings = calls.Settings.Subscriber;
        _extender = new LeaseExtender(calls);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Whether the subscription delivers exactly once; set from what the server says.</summary>
    public bool IsExactlyOnce
    {
        get => _terms.IsExactlyOnce;
        set => _terms.IsExactlyOnce = value;
    }

    /// <summary>
    /// Whether the broker may lease messages to this client that <see cref="Open"/> no longer has: they were given up, or it
    /// refused a nack of them.
    /// </summary>
    public bool MayHoldOthers { get; set; }

    /// <summary>Whether anything was nacked.</summary>
    public bool HasNacked { get; set; }

    /// <summary>Leases what a response brought.</summary>
    /// <param name="deliveries">Its messages.</param>
    /// <param name="stream">The stream that brought it.</param>
    /// <param name="arrivedAt">When it arrived at the latest, a timestamp of the <see cref="TimeProvider"/>.</param>
    public LeasedBatch Add(PubSubDelivery[] deliveries, StreamShare stream, long arrivedAt)
    {
        var batch = new LeasedBatch(deliveries, stream, arrivedAt, _settings.AckDeadline);
        _batches.Add(batch);
        return batch;
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
                _terms.Settled(last, count, now);
                (last, count) = (batch, 0);
            }

            count++;
            if (batch.Remove(delivery))
            {
                _batches.Remove(batch);
            }
        }

        _terms.Settled(last, count, now);
    }

    /// <summary>Ends the leases of messages that nobody has seen, and that nobody will.</summary>
    public void Drop(PubSubDelivery[] unseen)
    {
        foreach (var delivery in _flow.ReleaseUnseen(unseen))
        {
            MayHoldOthers = true;
            if (delivery.Batch is { } batch && batch.Remove(delivery))
            {
                _batches.Remove(batch);
            }
        }
    }

    /// <summary>Extends the leases of what a response brought.</summary>
    public async Task<Extension> ConfirmAsync(LeasedBatch batch, PubSubDelivery[] deliveries, CancellationToken cancellationToken)
    {
        var sentAt = _calls.Time.GetTimestamp();
        var lease = _terms.LeaseOf(batch, _terms.Percentile99, sentAt);
        var extension = await _extender.ExtendAsync(deliveries, lease, cancellationToken);
        if (extension is { Failed.Length: 0 })
        {
            (batch.ExtendedAt, batch.Lease) = (sentAt, lease);
        }

        return extension;
    }

    /// <summary>Everything that the broker does not know to be settled.</summary>
    public PubSubDelivery[] Open() => _batches.Open();

    /// <summary>Stops extending.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _loop;
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

    // An unexpected error must not end the extension of all leases.
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
        var due = _batches.Due(now);
        if (due.Count == 0)
        {
            return;
        }

        var percentile99 = _terms.Percentile99;
        var extensions = await Task.WhenAll(
            due.GroupBy(batch => _terms.LeaseOf(batch, percentile99, now)).Select(group => ExtendAsync([.. group], group.Key, now)));
        LogFailure(
            extensions.Select(extension => extension.Error).FirstOrDefault(error => error is not null),
            extensions.Where(extension => extension.Error is not null).Sum(extension => extension.Failed.Length));
    }

    private void LogFailure(RpcException? failure, int messages)
    {
        _failedTicks = failure is null ? 0 : _failedTicks + 1;
        if (failure is not null && Retry.IsWorthAWarning(_failedTicks))
        {
            _calls.Logger.LogWarning(
                "Extending the leases of {Count} messages of subscription {Subscription} on {Endpoint} failed with {Status} ({Detail}), try {Try}; it is tried again",
                messages,
                _calls.Path,
                _calls.Settings.Endpoint,
                failure.StatusCode,
                failure.Status.Detail,
                _failedTicks);
        }
    }

    private async Task<Extension> ExtendAsync(LeasedBatch[] batches, TimeSpan lease, long now)
    {
        var wholes = batches.Where(batch => batch.IsDue(_calls.Time, now)).ToHashSet();
        PubSubDelivery[] deliveries =
        [
            .. batches.SelectMany(batch => wholes.Contains(batch) ? batch.Open() : batch.Overdue.Where(batch.Holds)).Where(delivery => !delivery.IsLost),
        ];
        var extension = await _extender.ExtendAsync(deliveries, lease, _stopped.Token);
        PubSubMetrics.Extended.Add(deliveries.Length - extension.Lost.Length - extension.Failed.Length, _calls.Tags);

        // What has failed is due again at the next tick, and the rest of its batch is not.
        var failed = extension.Failed.ToLookup(delivery => delivery.Batch);
        foreach (var batch in batches)
        {
            batch.Overdue = [.. failed[batch]];
            if (wholes.Contains(batch))
            {
                (batch.ExtendedAt, batch.Lease) = (now, lease);
            }
        }

        Lost(extension.Lost);
        return extension;
    }

    private void GiveUp(long now)
    {
        foreach (var batch in _batches.TakeOlderThan(now, _settings.MaxExtension))
        {
            // One whose ack or nack is on its way is counted until the answer to it.
            GiveUp([.. batch.Open().Where(delivery => !delivery.IsSettled)]);
        }
    }

    private void GiveUp(PubSubDelivery[] deliveries)
    {
        if (deliveries.Length == 0)
        {
            return;
        }

        MayHoldOthers = true;
        PubSubMetrics.Expired.Add(deliveries.Length, _calls.Tags);
        _calls.Logger.LogWarning(
            "{Count} messages of subscription {Subscription} are not settled after max-extension ({MaxExtension}): their leases end, they will be "
            + "delivered again, and they no longer count as outstanding: {Messages}",
            deliveries.Length,
            _calls.Path,
            _settings.MaxExtension,
            MessageNames.Of(deliveries));
        _flow.Release(deliveries);
    }

    // The service has delivered them to another client, or will: extending them again is useless, and their acks will be refused.
    // An id that was acked meanwhile is unknown, too: the settler is told whether that ack has arrived.
    private void Lost(PubSubDelivery[] deliveries)
    {
        deliveries = Array.FindAll(deliveries, delivery => delivery is { IsSettled: false, IsLost: false });
        if (deliveries.Length == 0)
        {
            return;
        }

        PubSubMetrics.Expired.Add(deliveries.Length, _calls.Tags);
        _calls.Logger.LogWarning(
            "The leases of {Count} messages of subscription {Subscription} are lost, and they will be delivered again: {Messages}",
            deliveries.Length,
            _calls.Path,
            MessageNames.Of(deliveries));
        foreach (var delivery in deliveries)
        {
            delivery.IsLost = true;
        }

        Drop(deliveries);
    }
}
