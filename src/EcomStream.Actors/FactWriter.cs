using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// All reads and writes of the orders of some shards. What is pending for one order is merged into one write, writes
/// go to the store in batches, and a batch that fails for now is tried again until it succeeds. One order's writes
/// are never under way twice, and a read waits for the writes before it, so an order's actor may forget what it has
/// handed over.
/// </summary>
internal sealed class FactWriter : UntypedActor, IWithTimers
{
    private readonly WriterContext _context;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<long, OrderWork> _orders = [];
    private readonly Queue<OrderWork> _writable = new();
    private readonly Queue<OrderWork> _readable = new();
    private int _writesInFlight;
    private int _readsInFlight;
    private int _failures;
    private bool _lingering;

    public FactWriter(WriterContext context) => _context = context;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case WriteFact write:
                Accept(write);
                break;
            case SettleAfterWrites settle:
                Accept(settle);
                break;
            case LoadOrder load:
                Accept(load);
                break;
            case LingerElapsed:
                _lingering = false;
                StartWrites(evenIfFew: true);
                StartReads();
                break;
            case Written written:
                _writesInFlight--;
                _failures = 0;
                Complete(written);
                Continue();
                break;
            case Loaded loaded:
                _readsInFlight--;
                _failures = 0;
                Complete(loaded);
                Continue();
                break;
            case Failed failed:
                Retry(failed);
                break;
            case TryAgain again:
                again.Batch.Start(this);
                break;
            case Reject reject:
                _writesInFlight--;
                Complete(reject);
                Continue();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Accept(WriteFact write)
    {
        var work = Work(write.OrderId);
        if (work.Pending is { } pending)
        {
            if (!pending.TryMerge(write))
            {
                // The pending payment counts as the row's: the order has to look at it first.
                _context.Router.Refuse(write.Payment!);
            }

            return;
        }

        work.Pending = new PendingWrite(write);
        if (!work.InFlight)
        {
            _writable.Enqueue(work);
            if (_writable.Count >= _context.Settings.WriteBatchSize)
            {
                StartWrites(evenIfFew: false);
            }
            else
            {
                Linger();
            }
        }
    }

    private void Accept(SettleAfterWrites settle)
    {
        if (!_orders.TryGetValue(settle.Message.OrderId, out var work))
        {
            SettleNow(settle.Message);
        }
        else if (work.Pending is { } pending)
        {
            pending.Settle(settle.Message);
        }
        else if (work.Current is { } current)
        {
            current.Settle(settle.Message);
        }
        else
        {
            // Only a read is under way: everything written before it is durable.
            SettleNow(settle.Message);
        }
    }

    private void SettleNow(OrderMessage message)
    {
        if (message.Replay is not null)
        {
            _context.Sink.Tell(new HealReplayed([message]), ActorRefs.NoSender);
        }

        message.Delivery.Ack();
    }

    private void Accept(LoadOrder load)
    {
        var work = Work(load.OrderId);
        (work.Readers ??= []).Add(load.ReplyTo);
        if (work.Pending is null && !work.InFlight && work.Readers.Count == 1)
        {
            _readable.Enqueue(work);
        }

        if (_readable.Count >= _context.Settings.WriteBatchSize)
        {
            StartReads();
        }
        else
        {
            Linger();
        }
    }

    private OrderWork Work(long orderId)
    {
        if (!_orders.TryGetValue(orderId, out var work))
        {
            work = new OrderWork(orderId);
            _orders.Add(orderId, work);
        }

        return work;
    }

    private void Linger()
    {
        if (_lingering)
        {
            return;
        }

        _lingering = true;
        if (_context.Settings.WriteLinger <= TimeSpan.Zero)
        {
            Self.Tell(LingerElapsed.Instance, ActorRefs.NoSender);
        }
        else
        {
            Timers.StartSingleTimer(nameof(LingerElapsed), LingerElapsed.Instance, _context.Settings.WriteLinger);
        }
    }

    private void Continue()
    {
        StartWrites(evenIfFew: false);
        StartReads();
        if (_writable.Count > 0 || _readable.Count > 0)
        {
            Linger();
        }
    }

    private void StartWrites(bool evenIfFew)
    {
        while (_writesInFlight < _context.Settings.MaxWritesInFlight
            && (_writable.Count >= _context.Settings.WriteBatchSize || (evenIfFew && _writable.Count > 0)))
        {
            var batch = new WriteBatch(Math.Min(_writable.Count, _context.Settings.WriteBatchSize));
            while (batch.Work.Count < _context.Settings.WriteBatchSize && _writable.TryDequeue(out var work))
            {
                work.Current = work.Pending;
                work.Pending = null;
                batch.Work.Add(work);
                batch.Writes.Add(work.Current!.ToFactWrite());
            }

            _writesInFlight++;
            batch.Start(this);
        }
    }

    // Reads do not linger behind writes: an order's actor waits for each.
    private void StartReads()
    {
        while (_readsInFlight < _context.Settings.MaxWritesInFlight && _readable.Count > 0)
        {
            var batch = new ReadBatch();
            while (batch.Work.Count < _context.Settings.WriteBatchSize && _readable.TryDequeue(out var work))
            {
                work.Reading = true;
                batch.Work.Add(work);
                batch.OrderIds.Add(work.OrderId);
            }

            _readsInFlight++;
            batch.Start(this);
        }
    }

    private void Complete(Written written)
    {
        var batch = written.Batch;
        HashSet<long>? refused = written.Refused.Count > 0 ? [.. written.Refused] : null;
        List<PaymentReceived>? healed = null;
        List<OrderMessage>? replayed = null;
        var payments = 0;
        var measure = _context.Metrics.MeasuresLatency;
        var nowMicros = measure ? _context.NowMicros : 0;
        foreach (var work in batch.Work)
        {
            if (work.Current!.Heal is { } heal && refused?.Contains(work.OrderId) != true)
            {
                (healed ??= []).AddRange(heal);
            }

            if (work.Current.HasReplay && refused?.Contains(work.OrderId) != true)
            {
                (replayed ??= []).AddRange(work.Current.Messages.Where(message => message.Replay is not null));
            }
        }

        if (healed is not null)
        {
            // Before the acks: when nothing is outstanding any more, the sink knows all that is left to do.
            _context.Sink.Tell(new HealPayments(healed), ActorRefs.NoSender);
        }

        if (replayed is not null)
        {
            _context.Sink.Tell(new HealReplayed(replayed), ActorRefs.NoSender);
        }

        foreach (var work in batch.Work)
        {
            var done = work.Current!;
            work.Current = null;
            if (done.Payment is not null)
            {
                payments++;
            }

            if (measure)
            {
                _context.Metrics.Latency((nowMicros - done.NewestPublishTimeMicros) / 1e6);
            }

            if (refused is not null && refused.Contains(work.OrderId))
            {
                payments--;
                done.AckOrders();
                foreach (var payment in done.Payments)
                {
                    _context.Router.Refuse(payment);
                }
            }
            else
            {
                done.AckAll();
            }

            Release(work);
        }

        _context.Metrics.Written(batch.Work.Count, payments);
        if (refused is not null)
        {
            _context.Metrics.Refused(refused.Count);
        }
    }

    private void Complete(Loaded loaded)
    {
        var batch = loaded.Batch;
        for (var i = 0; i < batch.Work.Count; i++)
        {
            var work = batch.Work[i];
            var readers = work.Readers!;
            work.Readers = null;
            work.Reading = false;
            var answer = new OrderLoaded(
                work.OrderId,
                loaded.Rows[i],
                loaded.Unmatched is { } unmatched && unmatched.TryGetValue(work.OrderId, out var payments) ? payments : []);
            foreach (var reader in readers)
            {
                reader.Tell(answer, ActorRefs.NoSender);
            }

            Release(work);
        }

        _context.Metrics.Loaded(batch.Work.Count);
    }

    private void Complete(Reject reject)
    {
        var work = reject.Work;
        var done = work.Current!;
        work.Current = null;
        foreach (var message in done.Messages)
        {
            _context.Sink.Tell(
                new DeadLetterMessage(
                    message.Delivery,
                    message is OrderReceived ? _context.Settings.OrdersDeadLetterTopic : _context.Settings.PaymentsDeadLetterTopic,
                    DeadLetterReason.StoreRejected,
                    reject.Why,
                    message.OrderId,
                    (message as PaymentReceived)?.Payment.PaymentId),
                ActorRefs.NoSender);
        }

        Release(work);
    }

    // What came for the order in the meantime goes next: writes first, then the reads that wait for them.
    private void Release(OrderWork work)
    {
        if (work.Pending is not null)
        {
            _writable.Enqueue(work);
        }
        else if (work.Readers is not null)
        {
            _readable.Enqueue(work);
        }
        else
        {
            _orders.Remove(work.OrderId);
        }
    }

    private void Retry(Failed failed)
    {
        if (failed.Error is StoreRejectedException && failed.Batch is WriteBatch write)
        {
            Divide(write, failed.Error.Message);
            return;
        }

        _failures++;
        _context.Metrics.Retried(failed.Batch.Operation);
        var delay = _context.Settings.WriteBackoff.After(_failures);
        if (_failures is 1 || _failures % 10 == 0)
        {
            _log.Warning(
                "The store failed to {0} {1} orders (failure {2}); sources wait, nothing is lost, next try in {3:0.0} s: {4}",
                failed.Batch.Operation, failed.Batch.Work.Count, _failures, delay.TotalSeconds, failed.Error.Message);
        }

        Timers.StartSingleTimer(failed.Batch, new TryAgain(failed.Batch), delay);
    }

    // One row of the batch is what the store will never take: halves are tried until it stands alone.
    private void Divide(WriteBatch batch, string why)
    {
        if (batch.Work.Count == 1)
        {
            Self.Tell(new Reject(batch.Work[0], why), ActorRefs.NoSender);
            return;
        }

        var half = batch.Work.Count / 2;
        _writesInFlight++;
        batch.Part(0, half).Start(this);
        batch.Part(half, batch.Work.Count - half).Start(this);
    }

    private sealed record Written(WriteBatch Batch, IReadOnlyList<long> Refused);

    private sealed record Loaded(
        ReadBatch Batch, IReadOnlyList<OrderFact?> Rows, Dictionary<long, List<PaymentReceived>>? Unmatched);

    private sealed record Failed(Batch Batch, Exception Error);

    private sealed record TryAgain(Batch Batch);

    private sealed record Reject(OrderWork Work, string Why);

    private sealed class LingerElapsed
    {
        public static readonly LingerElapsed Instance = new();
    }

    /// <summary>What is under way and pending for one order.</summary>
    private sealed class OrderWork(long orderId)
    {
        public long OrderId { get; } = orderId;

        public PendingWrite? Pending { get; set; }

        public PendingWrite? Current { get; set; }

        public bool Reading { get; set; }

        public List<IActorRef>? Readers { get; set; }

        public bool InFlight => Current is not null || Reading;
    }

    private abstract class Batch
    {
        public List<OrderWork> Work { get; protected init; } = [];

        public abstract string Operation { get; }

        public void Start(FactWriter writer)
        {
            var self = writer.Self;
            Run(writer._context, self).ContinueWith(
                task =>
                {
                    if (task.IsFaulted)
                    {
                        self.Tell(new Failed(this, task.Exception.InnerException!), ActorRefs.NoSender);
                    }
                },
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        }

        protected abstract Task Run(WriterContext context, IActorRef self);
    }

    private sealed class WriteBatch : Batch
    {
        public WriteBatch(int capacity)
        {
            Work = new List<OrderWork>(capacity);
            Writes = new List<FactWrite>(capacity);
        }

        public List<FactWrite> Writes { get; }

        public override string Operation => "write";

        public WriteBatch Part(int start, int count)
        {
            var part = new WriteBatch(count);
            part.Work.AddRange(Work.GetRange(start, count));
            part.Writes.AddRange(Writes.GetRange(start, count));
            return part;
        }

        protected override async Task Run(WriterContext context, IActorRef self)
        {
            var refused = await context.Store.WriteAsync(Writes, CancellationToken.None);
            self.Tell(new Written(this, refused), ActorRefs.NoSender);
        }
    }

    private sealed class ReadBatch : Batch
    {
        public List<long> OrderIds { get; } = [];

        public override string Operation => "read";

        protected override async Task Run(WriterContext context, IActorRef self)
        {
            var rows = await context.Store.ReadAsync(OrderIds, CancellationToken.None);
            Dictionary<long, List<PaymentReceived>>? unmatched = null;
            var withRows = OrderIds.Where(context.Index.Contains).ToList();
            if (withRows.Count > 0)
            {
                unmatched = [];
                foreach (var row in await context.Store.ReadUnmatchedAsync(withRows, CancellationToken.None))
                {
                    if (row.IsHealable && UnmatchedRows.Decode(row) is { } payment)
                    {
                        if (!unmatched.TryGetValue(row.OrderId, out var payments))
                        {
                            unmatched.Add(row.OrderId, payments = []);
                        }

                        payments.Add(payment);
                    }
                }
            }

            self.Tell(new Loaded(this, rows, unmatched), ActorRefs.NoSender);
        }
    }
}
