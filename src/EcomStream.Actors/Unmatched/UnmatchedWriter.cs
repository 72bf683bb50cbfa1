using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Keeps the unmatched rows: reads those that its commands concern, lets the <see cref="UnmatchedLedger"/> decide, has
/// dead letters published by the <see cref="DeadLetterSink"/>, writes the rows, and only then settles the messages. A
/// step that fails is tried again; when one order's rows are at fault they are isolated, and the others go on.
/// </summary>
internal sealed partial class UnmatchedWriter : UntypedActor, IWithTimers
{
    private const int BatchesAtOnce = 2;
    private const int MostPerLane = 100;

    // How often work is decided again before it waits for the backoff.
    private const int TimesStaleAtOnce = 5;

    // Rows of one order that are read at once.
    internal const int UnjoinedLimit = 1_000;

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
    private long _rowsWritten;
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
    /// <param name="index">The orders with unmatched payments.</param>
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
                Complete(WithoutStale(written.Batch, written.Stale));
                Start();
                break;
            case WriteFailed failed:
                _writing--;
                WriteAgain(failed);
                Start();
                break;
            case RepeatStep retry:
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
            work.Begin(new UnmatchedLedger(now, _settings.PaymentsDeadLetterTopic));
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

        var orderIds = batch.Works.Where(work => work.ReadsUnjoined).Select(work => work.RowOrderId).ToList();
        if (orderIds.Count > 0)
        {
            var unjoined = (await _store.ReadUnjoinedAsync(orderIds, UnjoinedLimit, CancellationToken.None)).ToLookup(row => row.OrderId);
            foreach (var orderId in orderIds)
            {
                works[orderId].AddUnjoined(unjoined[orderId], UnjoinedLimit);
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

            if (work.Ledger!.Healed.Count > 0)
            {
                (work.Healed ??= []).UnionWith(work.Ledger.Healed);
            }
        }

        // Work that publishes waits for its topic; the rest does not wait for it.
        foreach (var group in batch.Works.GroupBy(work => work.Unpublished.FirstOrDefault()?.Topic))
        {
            var part = new UnmatchedBatch([.. group]);
            if (group.Key is { } topic)
            {
                _publishing.Add(++_correlation, part);
                _sink.Tell(new PublishDeadLetters(topic, [.. part.Works.SelectMany(work => work.Unpublished)], _correlation));
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

        foreach (var work in batch.Works)
        {
            foreach (var (id, deadLetter) in work.Ledger!.DeadLetters)
            {
                work.Published[id] = deadLetter;
            }
        }

        Write(batch);
    }

    // Work whose last attempt failed is left unacked: whoever reads next receives its messages again.
    private void AnswerDrained()
    {
        if (_draining.Count == 0 || _queue.HasReady || _reading + _writing + _publishing.Count > 0)
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

    private sealed record RowsWritten(UnmatchedBatch Batch, IReadOnlySet<UnmatchedWork> Stale) : INoSerializationVerificationNeeded;

    private sealed record WriteFailed(UnmatchedBatch Batch, Exception Error, UnmatchedPayment? Row) : INoSerializationVerificationNeeded;

    private sealed record RepeatStep(UnmatchedBatch Batch, Action<UnmatchedBatch> Attempt) : INoSerializationVerificationNeeded;
}
