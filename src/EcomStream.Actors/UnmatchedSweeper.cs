using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Looks at waiting payments whose grace is over on the watermark of the orders, wherever they are: each order's
/// actor, live or made for it, reads the store once more and joins or dead-letters them. After a full page the next one
/// is listed when every order has answered, otherwise at the next interval.
/// </summary>
internal sealed class UnmatchedSweeper : UntypedActor, IWithTimers
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);

    private readonly SweeperContext _context;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<long> _awaited = [];
    private bool _listing;
    private bool _lastPageWasFull;
    private bool _clockStopped;

    public UnmatchedSweeper(SweeperContext context) => _context = context;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() =>
        Timers.StartPeriodicTimer(nameof(Sweep), Sweep.Instance, _context.Settings.SweepInterval);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Sweep:
                Start();
                break;
            case Listed listed:
                Recheck(listed);
                break;
            case OrderRechecked answer:
                if (_awaited.Remove(answer.OrderId) && _awaited.Count == 0)
                {
                    Timers.Cancel(nameof(AnswerTimeout));
                    if (_lastPageWasFull)
                    {
                        Start();
                    }
                }

                break;
            case GiveUpWaiting:
                _awaited.Clear();
                break;
            case Status.Failure failure:
                _listing = false;
                _log.Warning("Waiting payments could not be listed; the next sweep tries again: {0}", failure.Cause.Message);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Start()
    {
        if (_listing || _awaited.Count > 0 || _context.Index.Waiting == 0)
        {
            return;
        }

        if (_context.Watermark.Read(_context.Orders.Status) is not { } watermark)
        {
            if (!_clockStopped)
            {
                _clockStopped = true;
                _log.Warning(
                    "The subscription {0} cannot be read or says nothing yet: the grace of {1} orders with waiting payments stands still",
                    _context.Orders.Name, _context.Index.Waiting);
            }

            return;
        }

        if (_clockStopped)
        {
            _clockStopped = false;
            _log.Info("The grace of waiting payments runs again");
        }

        _listing = true;
        var query = new UnmatchedQuery
        {
            State = UnmatchedState.Waiting,
            PublishedUntilMicros = watermark - (long)_context.Settings.Grace.TotalMicroseconds,
            Limit = _context.Settings.SweepBatch,
        };
        List(query, watermark).PipeTo(Self);
    }

    private async Task<Listed> List(UnmatchedQuery query, long watermark)
    {
        var orderIds = new HashSet<long>();
        var rows = 0;
        await foreach (var row in _context.Store.ListUnmatchedAsync(query, CancellationToken.None))
        {
            orderIds.Add(row.OrderId);
            rows++;
        }

        return new Listed(orderIds, rows == query.Limit, watermark);
    }

    private void Recheck(Listed listed)
    {
        _listing = false;
        _lastPageWasFull = listed.IsFull;
        foreach (var orderId in listed.OrderIds)
        {
            _awaited.Add(orderId);
            _context.Router.ShardOf(orderId).Tell(new RecheckOrder(orderId, listed.WatermarkMicros, Self), ActorRefs.NoSender);
        }

        if (_awaited.Count > 0)
        {
            Timers.StartSingleTimer(nameof(AnswerTimeout), GiveUpWaiting.Instance, AnswerTimeout);
        }
    }

    private sealed record Listed(HashSet<long> OrderIds, bool IsFull, long WatermarkMicros);

    private sealed class Sweep
    {
        public static readonly Sweep Instance = new();
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
/// <param name="Index">The orders that have unmatched payments.</param>
internal sealed record SweeperContext(
    EcomStreamSettings Settings,
    IFactStore Store,
    ISubscription Orders,
    OrdersWatermark Watermark,
    OrderRouter Router,
    UnmatchedIndex Index);
