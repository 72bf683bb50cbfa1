using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// All reads and writes of the orders of some shards. The <see cref="WriteQueue"/> merges what is pending for one order
/// into one write; writes go to the store in batches, and a batch that fails for now is tried again until it succeeds.
/// Because one order's writes are never in flight twice and a read waits for the writes before it, an order's actor may
/// forget what it has handed over.
/// </summary>
internal sealed class FactWriter : UntypedActor, IWithTimers
{
    // An unexpected error may be that of one row, which must not hold up the others of its batch.
    private const int AttemptsBeforeHalving = 2;

    private readonly EcomStreamSettings _settings;
    private readonly IFactStore _store;
    private readonly IActorRef _unmatched;
    private readonly OrderRouter _router;
    private readonly UnmatchedIndex _index;
    private readonly EcomStreamMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly WriteQueue _queue = new();
    private readonly HashSet<StoreBatch> _retrying = [];
    private readonly List<IActorRef> _draining = [];
    private int _writesInFlight;
    private int _readsInFlight;
    private int _failures;
    private long _rowsWritten;
    private long _timer;
    private bool _lingering;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public FactWriter(
        EcomStreamSettings settings,
        IFactStore store,
        IActorRef unmatched,
        OrderRouter router,
        UnmatchedIndex index,
        EcomStreamMetrics metrics,
        TimeProvider time) =>
        (_settings, _store, _unmatched, _router, _index, _metrics, _time) = (settings, store, unmatched, router, index, metrics, time);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A writer.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="store">The fact store.</param>
    /// <param name="unmatched">The <see cref="UnmatchedWriter"/>.</param>
    /// <param name="router">Leads refused payments back to their orders.</param>
    /// <param name="index">The orders with unmatched payments.</param>
    /// <param name="metrics">The counters.</param>
    /// <param name="time">The clock.</param>
    public static Props Props(
        EcomStreamSettings settings,
        IFactStore store,
        IActorRef unmatched,
        OrderRouter router,
        UnmatchedIndex index,
        EcomStreamMetrics metrics,
        TimeProvider time) =>
        Akka.Actor.Props.Create(() => new FactWriter(settings, store, unmatched, router, index, metrics, time));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case WriteFact write:
                Accept(write);
                break;
            case SettleAfterWrites settle:
                if (!_queue.TrySettleLater(settle.Message))
                {
                    SettleNow(settle.Message);
                }

                break;
            case LoadOrder load:
                _queue.Add(load);
                StartOrLinger();
                break;
            case LingerElapsed:
                _lingering = false;
                StartWrites(evenIfFew: true);
                StartReads();
                break;
            case Written written:
                _writesInFlight--;
                Recovered();
                Complete(written);
                StartOrLinger();
                break;
            case Loaded loaded:
                _readsInFlight--;
                Recovered();
                Complete(loaded);
                StartOrLinger();
                break;
            case Failed failed:
                Retry(failed);
                StartOrLinger();
                break;
            case TryAgain again:
                _retrying.Remove(again.Batch);
                Run(again.Batch);
                break;
            case DrainWriter:
                _draining.Add(Sender);
                StartWrites(evenIfFew: true);
                break;
            default:
                Unhandled(message);
                break;
        }

        AnswerDrained();
    }

    private void Accept(WriteFact write)
    {
        if (_queue.TryAdd(write))
        {
            StartOrLinger();
        }
        else
        {
            _router.Route(new PaymentRefused(write.Payment!));
        }
    }

    private void SettleNow(OrderMessage message)
    {
        HealReplay(message);
        message.Delivery.Ack();
    }

    private void HealReplay(OrderMessage message)
    {
        if (HealReplayedMessage.For(message) is { } replayedMessage)
        {
            _unmatched.Tell(replayedMessage, ActorRefs.NoSender);
        }

        if (message is PaymentReceived { Replay: not null } payment)
        {
            _unmatched.Tell(new HealReplayedPayment(payment), ActorRefs.NoSender);
        }
    }

    private void StartOrLinger()
    {
        StartWrites(evenIfFew: false);
        if (_queue.Readable >= _settings.WriteBatchSize)
        {
            StartReads();
        }

        if ((_queue.Writable > 0 || _queue.Readable > 0) && !_lingering)
        {
            _lingering = true;
            Timers.StartSingleTimer(nameof(LingerElapsed), LingerElapsed.Instance, _settings.WriteLinger);
        }
    }

    private void StartWrites(bool evenIfFew)
    {
        while (_writesInFlight < _settings.MaxWritesInFlight
            && (_queue.Writable >= _settings.WriteBatchSize || (evenIfFew && _queue.Writable > 0)))
        {
            _writesInFlight++;
            Run(new WriteBatch(_queue.TakeWrites(_settings.WriteBatchSize)));
        }
    }

    // Reads do not linger behind writes: an order's actor waits for each.
    private void StartReads()
    {
        while (_readsInFlight < _settings.MaxWritesInFlight && _queue.Readable > 0)
        {
            _readsInFlight++;
            Run(new ReadBatch(_queue.TakeReads(_settings.WriteBatchSize)));
        }
    }

    private void Run(StoreBatch batch)
    {
        if (batch is WriteBatch write)
        {
            write.RunAsync(_store).PipeTo(Self, success: refused => new Written(write, refused), failure: error => new Failed(write, error));
        }
        else if (batch is ReadBatch read)
        {
            read.RunAsync(_store, _index).PipeTo(Self, success: orders => new Loaded(read, orders), failure: error => new Failed(read, error));
        }
    }

    private void Recovered()
    {
        if (_failures > 0)
        {
            _log.Info("The store works again after {Attempts} failed attempts", _failures);
            _failures = 0;
        }
    }

    private void Complete(Written written)
    {
        var batch = written.Batch;
        HashSet<long>? refused = written.Refused.Count > 0 ? [.. written.Refused] : null;
        var payments = 0;
        var measure = _metrics.MeasuresLatency;
        var nowMicros = measure ? Timestamps.Micros(_time.GetUtcNow()) : 0;
        foreach (var work in batch.Work)
        {
            // Before the acks: when nothing is outstanding any more, the unmatched writer knows all that is left to do.
            if (refused?.Contains(work.OrderId) != true)
            {
                Heal(work.Current!);
            }
        }

        foreach (var work in batch.Work)
        {
            var done = work.Current!;
            payments += done.Payment is null ? 0 : 1;
            if (measure)
            {
                _metrics.Latency((nowMicros - done.NewestPublishTimeMicros) / 1e6);
            }

            if (refused is not null && refused.Contains(work.OrderId))
            {
                payments--;
                done.AckOrders();
                foreach (var payment in done.Payments)
                {
                    _router.Route(new PaymentRefused(payment));
                }
            }
            else
            {
                done.AckAll();
            }

            Next(work, batch);
        }

        _rowsWritten += batch.Work.Count;
        _metrics.Written(batch.Work.Count, payments);
        if (refused is not null)
        {
            _metrics.Refused(refused.Count);
        }
    }

    private void Heal(PendingWrite done)
    {
        if (done.Heal is { } heal)
        {
            _unmatched.Tell(new HealPayments(heal[0].OrderId, heal), ActorRefs.NoSender);
        }

        if (done.HasReplay)
        {
            foreach (var message in done.Messages.Where(message => message.Replay is not null))
            {
                HealReplay(message);
            }
        }
    }

    // After an order write that was divided from its payment comes that payment.
    private void Next(OrderWork work, WriteBatch written)
    {
        work.Current = work.PaymentPart;
        work.PaymentPart = null;
        if (work.Current is null)
        {
            _queue.Release(work);
            return;
        }

        _writesInFlight++;
        Run(new WriteBatch([work]) { RejectedAt = written.RejectedAt });
    }

    private void Complete(Loaded loaded)
    {
        for (var i = 0; i < loaded.Batch.Work.Count; i++)
        {
            var work = loaded.Batch.Work[i];
            var (row, unmatched, hasMore) = loaded.Orders[i];
            foreach (var reader in work.Readers!)
            {
                reader.ReplyTo.Tell(new OrderLoaded(work.OrderId, reader.Correlation, row, unmatched, hasMore), ActorRefs.NoSender);
            }

            work.Readers = null;
            work.Reading = false;
            _queue.Release(work);
        }

        _metrics.Loaded(loaded.Batch.Work.Count);
    }

    private void Retry(Failed failed)
    {
        var batch = failed.Batch;
        batch.RejectedAt ??= failed.Error is StoreRejectedException ? _rowsWritten : null;
        if (failed.Error is not StoreUnavailableException && batch.Work.Count > 1
            && (failed.Error is StoreRejectedException || batch.Failures >= AttemptsBeforeHalving))
        {
            Halve(batch);
            return;
        }

        if (failed.Error is StoreRejectedException && batch is WriteBatch && Rejected(batch, failed.Error.Message))
        {
            return;
        }

        _failures++;
        batch.Failures++;
        _metrics.Retried(batch.Operation);
        var delay = _settings.WriteBackoff.After(batch.Failures);
        if (batch.Failures is 1 || batch.Failures % 10 == 0)
        {
            _log.Warning(
                "The store failed to {Operation} {Orders} orders (attempt {Attempt}); the sources wait and nothing is lost, next attempt in {Delay:0.0} s: {Error}",
                batch.Operation, batch.Work.Count, batch.Failures, delay.TotalSeconds, failed.Error.Message);
        }

        _retrying.Add(batch);
        Timers.StartSingleTimer(++_timer, new TryAgain(batch), delay);
    }

    // One row of the batch is rejected: halves are tried until it stands alone.
    private void Halve(StoreBatch batch)
    {
        if (batch is WriteBatch)
        {
            _writesInFlight++;
        }
        else
        {
            _readsInFlight++;
        }

        var half = batch.Work.Count / 2;
        Run(batch.Part(0, half));
        Run(batch.Part(half, batch.Work.Count - half));
    }

    // A row is at fault only when the store accepts another one meanwhile; otherwise the store refuses everything, and the
    // row is tried again like any other failure.
    private bool Rejected(StoreBatch batch, string why)
    {
        if (batch.RejectedAt == _rowsWritten)
        {
            return false;
        }

        var work = batch.Work[0];
        var done = work.Current!;
        if (done.HasBothSides)
        {
            // Only one side may be at fault. The order comes first: without it, its payment has to wait.
            (work.Current, work.PaymentPart) = done.Divide();
            Run(new WriteBatch([work]) { RejectedAt = batch.RejectedAt });
            return true;
        }

        _writesInFlight--;
        var messages = done.Messages.ToList();
        _metrics.Rejected(messages.Count);
        _log.Error("The store rejected the row of order {OrderId}, whose {Messages} messages are dead-lettered: {Error}", work.OrderId, messages.Count, why);
        foreach (var message in messages)
        {
            _unmatched.Tell(
                new DeadLetterMessage(
                    message.Delivery,
                    message is OrderReceived ? _settings.OrdersDeadLetterTopic : _settings.PaymentsDeadLetterTopic,
                    DeadLetterReason.StoreRejected,
                    why,
                    message.OrderId,
                    (message as PaymentReceived)?.Payment.IdAsText),
                ActorRefs.NoSender);
        }

        _router.Route(new WriteRejected(work.OrderId));
        if (work.PaymentPart is { } orphan)
        {
            // Its order is not in the row: each payment is decided again.
            _router.Route([.. orphan.Payments]);
            work.PaymentPart = null;
        }

        work.Current = null;
        _queue.Release(work);
        return true;
    }

    // Batches whose last attempt failed are left: whoever reads next receives their messages again.
    private void AnswerDrained()
    {
        if (_draining.Count == 0 || _queue.Writable + _queue.Readable > 0 || _writesInFlight + _readsInFlight > _retrying.Count)
        {
            return;
        }

        foreach (var waiting in _draining)
        {
            waiting.Tell(new WriterDrained(IsFailing: !_queue.IsEmpty), ActorRefs.NoSender);
        }

        _draining.Clear();
    }

    private sealed record Written(WriteBatch Batch, IReadOnlyList<long> Refused) : INoSerializationVerificationNeeded;

    private sealed record Loaded(ReadBatch Batch, IReadOnlyList<LoadedOrder> Orders) : INoSerializationVerificationNeeded;

    private sealed record Failed(StoreBatch Batch, Exception Error) : INoSerializationVerificationNeeded;

    private sealed record TryAgain(StoreBatch Batch) : INoSerializationVerificationNeeded;

    private sealed class LingerElapsed : INoSerializationVerificationNeeded
    {
        public static readonly LingerElapsed Instance = new();
    }
}
