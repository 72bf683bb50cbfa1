using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Looks at waiting payments whose grace is over on the watermark of the orders, wherever they are: each order's
/// actor, live or made for it, reads the store once more and joins or dead-letters them. After a full page comes the
/// next one when every order has answered, otherwise at the next interval. Now and then it goes through the whole
/// table, and heals what was dead-lettered and has its order all the same, whoever wrote that.
/// </summary>
internal sealed class UnmatchedSweeper : UntypedActor, IWithTimers
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);

    private readonly SweeperContext _context;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<long> _awaited = [];
    private readonly List<long> _asked = [];
    private bool _pageWasFull;
    private bool _clockStopped;
    private bool _searching;

    public UnmatchedSweeper(SweeperContext context) => _context = context;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(Sweep), Sweep.Instance, _context.Settings.SweepInterval);
        Timers.StartPeriodicTimer(nameof(Search), Search.Instance, _context.Settings.FullSweepInterval);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Sweep:
                if (_awaited.Count == 0)
                {
                    // What was asked about and still waits, because another message of it came, is due again.
                    _context.Index.PutBack(_asked);
                    _asked.Clear();
                    TakePage();
                }

                break;
            case OrderRechecked answer:
                if (_awaited.Remove(answer.OrderId) && _awaited.Count == 0)
                {
                    PageIsDone();
                }

                break;
            case GiveUpWaiting:
                _awaited.Clear();
                break;
            case Search when !_searching:
                _searching = true;
                FindHealableAsync().PipeTo(Self);
                break;
            case Found found:
                _searching = false;
                Heal(found.OrderIds);
                break;
            case Status.Failure failure:
                _searching = false;
                _log.Warning("Dead-lettered payments could not be searched for their orders; the next search tries again: {0}", failure.Cause.Message);
                break;
            case Search:
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void TakePage()
    {
        if (_context.Index.Waiting == 0 || !IsClockRunning(out var watermark))
        {
            return;
        }

        var page = _context.Index.TakeDue(watermark - (long)_context.Settings.Grace.TotalMicroseconds, _context.Settings.SweepBatch);
        if (page.Count == 0)
        {
            return;
        }

        _pageWasFull = page.Count == _context.Settings.SweepBatch;
        _asked.AddRange(page);
        foreach (var orderId in page)
        {
            _awaited.Add(orderId);
            _context.Router.ShardOf(orderId).Tell(new RecheckOrder(orderId, watermark, Self), ActorRefs.NoSender);
        }

        Timers.StartSingleTimer(nameof(AnswerTimeout), GiveUpWaiting.Instance, AnswerTimeout);
    }

    private void PageIsDone()
    {
        Timers.Cancel(nameof(AnswerTimeout));

        // Of one that still waits after its turn, the row may have been changed by another program.
        var unchanged = _asked.Where(_context.Index.IsWaiting).ToList();
        if (unchanged.Count > 0)
        {
            _context.Sink.Tell(new RefreshIndex(unchanged), ActorRefs.NoSender);
        }

        if (_pageWasFull)
        {
            TakePage();
        }
    }

    private bool IsClockRunning(out long watermark)
    {
        var current = _context.Watermark.Read(_context.Orders.Status);
        if (current is null && !_clockStopped)
        {
            _clockStopped = true;
            _log.Warning(
                "The subscription {0} cannot be read or says nothing yet: the grace of {1} orders with waiting payments stands still",
                _context.Orders.Name, _context.Index.Waiting);
        }
        else if (current is { } at && _clockStopped)
        {
            _clockStopped = false;
            _log.Info("The grace of waiting payments runs again; orders have been read up to {0}", Timestamps.Rfc3339(at));
        }

        watermark = current ?? 0;
        return current is not null;
    }

    // The rows of other programs, or of a heal that a crash cut short, are not in the index as they are in the table.
    private async Task<Found> FindHealableAsync()
    {
        var found = new List<long>();
        var page = new HashSet<long>();
        await foreach (var payment in _context.Store.ListHealableAsync(CancellationToken.None))
        {
            if (!_context.Index.Contains(payment.OrderId))
            {
                _context.Index.Add(payment);
            }

            if (payment.State == UnmatchedState.DeadLettered && page.Add(payment.OrderId) && page.Count == _context.Settings.SweepBatch)
            {
                await AddJoinable();
            }
        }

        await AddJoinable();
        return new Found(found);

        async Task AddJoinable()
        {
            long[] orderIds = [.. page];
            page.Clear();
            var rows = await _context.Store.ReadAsync(orderIds, CancellationToken.None);
            found.AddRange(orderIds.Where((_, i) => rows[i]?.Order is not null));
        }
    }

    private void Heal(IReadOnlyList<long> orderIds)
    {
        if (orderIds.Count > 0)
        {
            _log.Info("{0} dead-lettered payments have an order after all and are joined", orderIds.Count);
        }

        foreach (var orderId in orderIds)
        {
            _context.Router.ShardOf(orderId).Tell(new RecheckOrder(orderId, WatermarkMicros: 0, Self), ActorRefs.NoSender);
        }
    }

    private sealed record Found(IReadOnlyList<long> OrderIds);

    private sealed class Sweep
    {
        public static readonly Sweep Instance = new();
    }

    private sealed class Search
    {
        public static readonly Search Instance = new();
    }

    private sealed class GiveUpWaiting
    {
        public static readonly GiveUpWaiting Instance = new();
    }
}

/// <summary>What an <see cref="UnmatchedSweeper"/> works with.</summary>
/// <param name="Settings">The settings.</param>
/// <param name="Store">Where the rows are.</param>
/// <param name="Orders">The orders subscription.</param>
/// <param name="Watermark">Its watermark.</param>
/// <param name="Router">The shards.</param>
/// <param name="Sink">The dead-letter sink.</param>
/// <param name="Index">The orders that have unmatched payments.</param>
internal sealed record SweeperContext(
    EcomStreamSettings Settings,
    IFactStore Store,
    ISubscription Orders,
    OrdersWatermark Watermark,
    OrderRouter Router,
    IActorRef Sink,
    UnmatchedIndex Index);
