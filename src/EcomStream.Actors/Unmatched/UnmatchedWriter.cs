using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Keeps the unmatched rows: reads those that its commands concern, lets the <see cref="UnmatchedLedger"/> decide, has
/// dead letters published by the <see cref="DeadLetterSink"/>, writes the rows, and only then settles the messages. A
/// step that fails is tried again; when one order's rows are at fault they are isolated, and the others go on.
/// </summary>
internal sealed class UnmatchedWriter : UntypedActor, IWithTimers
{
    private const int BatchesAtOnce = 2;
    private const int MostPerLane = 100;

    // Rows of one order that are read at once.
    internal const int HealableLimit = 1_000;

    private readonly EcomStreamSettings _settings;
    private readonly IFactStore _store;
    private readonly IActorRef _sink;
    private readonly UnmatchedIndex _index;
    private readonly EcomStreamMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly UnmatchedQueue _queue = new();
    private readonly Dictionary<long, UnmatchedBatch> _publishing = [];
    private readonly HashSet<UnmatchedBatch> _retrying = [];
    private readonly List<IActorRef> _draining = [];
    private int _reading;
    private int _writing;
    private int _failures;
    private long _correlation;
    private long _timer;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public UnmatchedWriter(
        EcomStreamSettings settings, IFactStore store, IActorRef sink, UnmatchedIndex index, EcomStreamMetrics metrics, TimeProvider time) =>
        (_settings, _store, _sink, _index, _metrics, _time) = (settings, store, sink, index, metrics, time);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The writer of the unmatched rows.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="store">The store of the rows.</param>
    /// <param name="sink">The <see cref="DeadLetterSink"/>.</param>
    /// <param name="index">The orders with unmatched payments; only this actor changes it after the start.</param>
    /// <param name="metrics">The counters.</param>
    /// <param name="time">The clock.</param>
    public static Props Props(
        EcomStreamSettings settings, IFactStore store, IActorRef sink, UnmatchedIndex index, EcomStreamMetrics metrics, TimeProvider time) =>
        Akka.Actor.Props.Create(() => new UnmatchedWriter(settings, store, sink, index, metrics, time));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case UnmatchedCommand command:
                _queue.Enqueue(command);
                Start();
                break;
            case RowsRead read:
                _reading--;
                Decide(read.Batch);
                Start();
                break;
            case ReadFailed failed:
                _reading--;
                Failed(failed.Batch, failed.Error, "read", batch => Read(batch));
                Start();
                break;
            case DeadLettersPublished published:
                Published(published);
                break;
            case DeadLettersAbandoned abandoned:
                _publishing.Remove(abandoned.Correlation);
                break;
            case RowsWritten written:
                _writing--;
                Complete(written.Batch);
                Start();
                break;
            case WriteFailed failed:
                _writing--;
                WriteAgain(failed);
                Start();
                break;
            case Retry retry:
                _retrying.Remove(retry.Batch);
                retry.Attempt(retry.Batch);
                break;
            case DrainUnmatched:
                _draining.Add(Sender);
                _sink.Tell(DrainDeadLetters.Instance);
                break;
            default:
                Unhandled(message);
                break;
        }

        AnswerDrained();
    }

    private void Start()
    {
        while (_reading + _writing < BatchesAtOnce)
        {
            var taken = _queue.Take(_settings.DeadLetterBatchSize, MostPerLane);
            if (taken.Count == 0)
            {
                return;
            }

            Read(new UnmatchedBatch([.. taken.Select(lane => new UnmatchedWork(lane.RowOrderId, lane.Commands))]));
        }
    }

    private void Read(UnmatchedBatch batch)
    {
        _reading++;
        ReadAsync(batch).PipeTo(Self, success: () => new RowsRead(batch), failure: error => new ReadFailed(batch, error));
    }

    private async Task ReadAsync(UnmatchedBatch batch)
    {
        var now = _time.GetUtcNow();
        foreach (var work in batch.Works)
        {
            work.Ledger = new UnmatchedLedger(now, _settings.PaymentsDeadLetterTopic);
        }

        var works = batch.Works.ToDictionary(work => work.RowOrderId);
        var keys = batch.Works
            .SelectMany(work => work.Commands.SelectMany(c => c.PaymentKeys).Distinct().Select(key => (work.RowOrderId, key)))
            .ToList();
        if (keys.Count > 0)
        {
            foreach (var row in await _store.ReadUnmatchedRowsAsync(keys, CancellationToken.None))
            {
                works[row.OrderId].Ledger!.AddExisting(row);
            }
        }

        var orderIds = batch.Works.Where(work => work.ReadsHealable).Select(work => work.RowOrderId).ToList();
        if (orderIds.Count > 0)
        {
            var healable = await _store.ReadHealableAsync(orderIds, HealableLimit, CancellationToken.None);
            foreach (var rows in healable.GroupBy(row => row.OrderId))
            {
                var work = works[rows.Key];
                work.HasMore = rows.Count() >= HealableLimit;
                foreach (var row in rows)
                {
                    work.Ledger!.AddExisting(row);
                }
            }
        }
    }

    private void Decide(UnmatchedBatch batch)
    {
        foreach (var work in batch.Works)
        {
            foreach (var command in work.Commands)
            {
                work.Ledger!.Apply(command);
            }
        }

        // Work that publishes waits for its topic; the rest does not wait for it.
        foreach (var group in batch.Works.GroupBy(work => work.Ledger!.DeadLetters.Values.FirstOrDefault()?.Topic))
        {
            var part = new UnmatchedBatch([.. group]);
            if (group.Key is { } topic)
            {
                _publishing.Add(++_correlation, part);
                _sink.Tell(new PublishDeadLetters(topic, [.. part.Works.SelectMany(work => work.Ledger!.DeadLetters.Values)], _correlation));
            }
            else
            {
                Write(part);
            }
        }
    }

    private void Published(DeadLettersPublished published)
    {
        if (!_publishing.Remove(published.Correlation, out var batch))
        {
            return;
        }

        foreach (var (id, why) in published.NotPublished)
        {
            foreach (var work in batch.Works.Where(work => work.Ledger!.DeadLetters.Remove(id)))
            {
                work.Ledger!.NotPublished(id, why);
            }
        }

        Write(batch);
    }

    private void Write(UnmatchedBatch batch)
    {
        UnmatchedPayment[] rows = [.. batch.Works.SelectMany(work => work.RowsToWrite)];
        if (rows.Length == 0)
        {
            Complete(batch);
            return;
        }

        _writing++;
        WriteAsync(rows).PipeTo(Self, success: () => new RowsWritten(batch), failure: error => new WriteFailed(batch, error));

        async Task WriteAsync(UnmatchedPayment[] changed) => await _store.WriteUnmatchedAsync(changed, CancellationToken.None);
    }

    private void WriteAgain(WriteFailed failed)
    {
        if (failed is { Error: StoreRejectedException, Batch.Works: [{ WithoutData: false } work] })
        {
            // The data may be too large for the store. The dead letter has it; a waiting payment cannot wait without it.
            var isPublished = work.Ledger!.DeadLetters.Count > 0;
            _log.Error(
                failed.Error,
                "The store rejected the unmatched rows of order {OrderId}; {Consequence}",
                work.RowOrderId,
                isPublished ? "they are written without their data, which the dead letter carries" : "they are tried again");
            if (isPublished)
            {
                work.WithoutData = true;
                Write(failed.Batch);
                return;
            }
        }
        else if (failed is { Error: StoreRejectedException, Batch.Works: [{ WithoutData: true } kept] })
        {
            _log.Error(failed.Error, "The store rejected the unmatched rows of order {OrderId} even without data; their dead letters are published", kept.RowOrderId);
            Complete(failed.Batch);
            return;
        }

        Failed(failed.Batch, failed.Error, "write", batch => Write(batch));
    }

    // A failure that another attempt may not cure is isolated first, so that it holds up one order only.
    private void Failed(UnmatchedBatch batch, Exception error, string operation, Action<UnmatchedBatch> attempt)
    {
        _metrics.Retried("dead-letter");
        if (error is not StoreUnavailableException && batch.Works.Count > 1)
        {
            var (first, second) = batch.Split();
            attempt(first);
            attempt(second);
            return;
        }

        _failures++;
        var again = batch with { Failures = batch.Failures + 1 };
        var delay = _settings.DeadLetterBackoff.After(again.Failures);
        if (again.Failures is 1 || again.Failures % 10 == 0)
        {
            _log.Warning(
                "The store failed to {Operation} the unmatched rows of {Orders} orders (attempt {Attempt}); their messages stay unacked, next attempt in {Delay:0.0} s: {Error}",
                operation, batch.Works.Count, again.Failures, delay.TotalSeconds, error.Message);
        }

        _retrying.Add(again);
        Timers.StartSingleTimer(++_timer, new Retry(again, attempt), delay);
    }

    private void Complete(UnmatchedBatch batch)
    {
        if (_failures > 0)
        {
            _failures = 0;
            _log.Info("Unmatched rows are written again");
        }

        foreach (var work in batch.Works)
        {
            Index(work);
            Settle(work);
            Count(work.Ledger!);
            _queue.Release(work.RowOrderId);
        }

        Start();
    }

    private void Index(UnmatchedWork work)
    {
        var rows = work.Ledger!.Rows.Where(row => !row.IsMessage).ToList();
        var waiting = rows.Where(row => row.State == UnmatchedState.Waiting).ToList();
        if (!work.ReadsHealable || work.HasMore)
        {
            // Not every row of the order is known: what is known is added, and nothing is removed.
            foreach (var row in rows.Where(row => row.IsHealable))
            {
                _index.Add(new HealablePayment(row.OrderId, row.State, row.PublishTimeMicros));
            }
        }
        else if (waiting.Count > 0)
        {
            _index.SetWaiting(work.RowOrderId, waiting.Min(row => row.PublishTimeMicros));
        }
        else if (rows.Any(row => row.IsHealable))
        {
            _index.SetDeadLettered(work.RowOrderId);
        }
        else
        {
            _index.Remove(work.RowOrderId);
        }
    }

    private void Settle(UnmatchedWork work)
    {
        foreach (var command in work.Commands)
        {
            switch (command)
            {
                case ParkPayments park:
                    Ack(park.Payments);
                    var discarded = work.Ledger!.Discarded.Count == 0 ? null : work.Ledger.Discarded.Where(park.Payments.Contains).ToList();
                    park.ReplyTo.Tell(new PaymentsParked(park.OrderId, park.Correlation, discarded is { Count: > 0 } ? discarded : null), ActorRefs.NoSender);
                    break;
                case DeadLetterPayments deadLetters:
                    Ack(deadLetters.Payments.Select(deadLetter => deadLetter.Payment));
                    deadLetters.ReplyTo.Tell(new PaymentsDeadLettered(deadLetters.OrderId, deadLetters.Correlation), ActorRefs.NoSender);
                    break;
                case DeadLetterMessage deadLetter:
                    deadLetter.Delivery.Ack();
                    break;
            }
        }
    }

    private void Ack(IEnumerable<PaymentReceived> payments)
    {
        foreach (var payment in payments)
        {
            if (HealReplayedMessage.For(payment) is { } replayed)
            {
                _queue.Enqueue(replayed);
            }

            payment.Delivery.Ack();
        }
    }

    private void Count(UnmatchedLedger ledger)
    {
        foreach (var reason in ledger.DeadLetters.Values.GroupBy(deadLetter => deadLetter.Reason))
        {
            _metrics.DeadLettered(reason.Key, reason.Count());
        }

        if (ledger.Healed.Count > 0)
        {
            _metrics.Healed(ledger.Healed.Count);
            _log.Debug("Healed {DeadLetterId} and {Others} more: the payment was joined with its order", ledger.Healed[^1], ledger.Healed.Count - 1);
        }

        if (ledger.Parked > 0)
        {
            _metrics.Parked(ledger.Parked);
        }
    }

    // Work whose last attempt failed is left unacked: whoever reads next receives its messages again.
    private void AnswerDrained()
    {
        if (_draining.Count == 0 || _queue.Waiting > 0 || _reading + _writing + _publishing.Count > 0)
        {
            return;
        }

        foreach (var waiting in _draining)
        {
            waiting.Tell(UnmatchedDrained.Instance, ActorRefs.NoSender);
        }

        _draining.Clear();
    }

    private sealed record RowsRead(UnmatchedBatch Batch) : INoSerializationVerificationNeeded;

    private sealed record ReadFailed(UnmatchedBatch Batch, Exception Error) : INoSerializationVerificationNeeded;

    private sealed record RowsWritten(UnmatchedBatch Batch) : INoSerializationVerificationNeeded;

    private sealed record WriteFailed(UnmatchedBatch Batch, Exception Error) : INoSerializationVerificationNeeded;

    private sealed record Retry(UnmatchedBatch Batch, Action<UnmatchedBatch> Attempt) : INoSerializationVerificationNeeded;
}
