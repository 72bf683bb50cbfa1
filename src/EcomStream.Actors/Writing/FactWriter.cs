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
internal sealed partial class FactWriter : UntypedActor, IWithTimers
{
    // An unexpected error may be that of one row, which must not hold up the others of its batch.
    private const int AttemptsBeforeHalving = 2;
    private const int MostIsolated = 16;

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

    // Orders that may not know yet that a write of theirs was rejected, each with the number of those writes.
    private readonly Dictionary<long, int> _rejected = [];
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
            case SettleAfterWrites settle when _rejected.ContainsKey(settle.OrderId):
                // It may be older than what was rejected, so it is decided again.
                _router.Route([settle.Message]);
                break;
            case SettleAfterWrites settle:
                if (!_queue.TrySettleLater(settle.Message))
                {
                    SettleNow(settle.Message);
                }

                break;
            case RejectionKnown { OrderId: var orderId }:
                if (--_rejected[orderId] == 0)
                {
                    _rejected.Remove(orderId);
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
            case FactsWritten written:
                _writesInFlight--;
                Recovered();
                Complete(written);
                StartOrLinger();
                break;
            case OrdersLoaded loaded:
                _readsInFlight--;
                Recovered();
                Complete(loaded);
                StartOrLinger();
                break;
            case StoreCallFailed failed:
                Retry(failed);
                StartOrLinger();
                break;
            case RepeatBatch again:
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
        if (_rejected.Count > 0 && write.Order is null && _rejected.ContainsKey(write.OrderId))
        {
            // Its order may be what was rejected, and without an order the payment has to wait.
            _router.Route([.. new OrderMessage?[] { write.Payment }.OfType<OrderMessage>(), .. write.SettleAlso ?? []]);
            return;
        }

        if (_queue.TryAdd(write))
        {
            StartOrLinger();
        }
        else
        {
            _router.Route(new PaymentRefused(write.Payment!));
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
        while ((_queue.Writable >= _settings.WriteBatchSize || (evenIfFew && _queue.Writable > 0))
            && _writesInFlight - Spare<WriteBatch>() < _settings.MaxWritesInFlight)
        {
            _writesInFlight++;
            Run(new WriteBatch(_queue.TakeWrites(_settings.WriteBatchSize)));
        }
    }

    // Reads do not linger behind writes: an order's actor waits for each.
    private void StartReads()
    {
        while (_queue.Readable > 0 && _readsInFlight - Spare<ReadBatch>() < _settings.MaxWritesInFlight)
        {
            _readsInFlight++;
            Run(new ReadBatch(_queue.TakeReads(_settings.WriteBatchSize)));
        }
    }

    // Slots of single orders that fail on their own. The bound keeps a store that refuses everything from being flooded.
    private int Spare<TBatch>() => Math.Min(MostIsolated, _retrying.Count(batch => batch is TBatch && batch.IsIsolated));

    private void Run(StoreBatch batch)
    {
        if (batch is WriteBatch write)
        {
            write.RunAsync(_store).PipeTo(Self, success: refused => new FactsWritten(write, refused), failure: error => new StoreCallFailed(write, error));
        }
        else if (batch is ReadBatch read)
        {
            read.RunAsync(_store, _index).PipeTo(Self, success: orders => new OrdersLoaded(read, orders), failure: error => new StoreCallFailed(read, error));
        }
    }

    // Batches whose last attempt failed are left: whoever reads next receives their messages again.
    private void AnswerDrained()
    {
        if (_draining.Count == 0
            || (_retrying.Count == 0 && _queue.Writable + _queue.Readable > 0)
            || _writesInFlight + _readsInFlight > _retrying.Count)
        {
            return;
        }

        foreach (var waiting in _draining)
        {
            waiting.Tell(WriterDrained.Instance, ActorRefs.NoSender);
        }

        _draining.Clear();
    }

    private sealed record FactsWritten(WriteBatch Batch, IReadOnlyList<long> Refused) : INoSerializationVerificationNeeded;

    private sealed record OrdersLoaded(ReadBatch Batch, IReadOnlyList<LoadedOrder> Orders) : INoSerializationVerificationNeeded;

    private sealed record StoreCallFailed(StoreBatch Batch, Exception Error) : INoSerializationVerificationNeeded;

    private sealed record RepeatBatch(StoreBatch Batch) : INoSerializationVerificationNeeded;

    private sealed class LingerElapsed : INoSerializationVerificationNeeded
    {
        public static readonly LingerElapsed Instance = new();
    }
}
