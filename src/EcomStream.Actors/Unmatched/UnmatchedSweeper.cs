using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Looks at waiting payments whose grace is over on the watermark of the orders, wherever they are: each order's
/// actor, live or made for it, reads the store once more and joins or dead-letters them. After a full page comes the
/// next one when every order has answered, or has not for a while. Now and then it goes through the whole
/// table, and heals what was dead-lettered and has its order all the same, whoever wrote that.
/// </summary>
internal sealed class UnmatchedSweeper : UntypedActor, IWithTimers
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(20);

    private const int MostPagesWithoutAnswer = 3;
    private const int SweepsBeforeSearch = 10;
    private const int MostRefreshed = 10_000;

    private readonly EcomStreamSettings _settings;
    private readonly IFactStore _store;
    private readonly Func<WatermarkReading> _watermark;
    private readonly OrderRouter _router;
    private readonly IActorRef _unmatched;
    private readonly UnmatchedIndex _index;
    private readonly ICancelable _stopped = Cancelables.New(Context);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<long> _awaited = [];
    private readonly List<long> _asked = [];
    private List<long> _page = [];
    private long? _roundUntil;
    private int _pagesWithoutAnswer;
    private bool _clockStopped;
    private bool _searching;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public UnmatchedSweeper(
        EcomStreamSettings settings,
        IFactStore store,
        Func<WatermarkReading> watermark,
        OrderRouter router,
        IActorRef unmatched,
        UnmatchedIndex index) =>
        (_settings, _store, _watermark, _router, _unmatched, _index) = (settings, store, watermark, router, unmatched, index);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The sweeper.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="store">The store of the rows.</param>
    /// <param name="watermark">The watermark of the orders.</param>
    /// <param name="router">Leads to the shards.</param>
    /// <param name="unmatched">The <see cref="UnmatchedWriter"/>.</param>
    /// <param name="index">The orders with unmatched payments.</param>
    public static Props Props(
        EcomStreamSettings settings,
        IFactStore store,
        Func<WatermarkReading> watermark,
        OrderRouter router,
        IActorRef unmatched,
        UnmatchedIndex index) =>
        Akka.Actor.Props.Create(() => new UnmatchedSweeper(settings, store, watermark, router, unmatched, index));

    protected override void PostStop() => _stopped.Cancel();

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(SweepTick), SweepTick.Instance, _settings.SweepInterval);

        // The first one finishes the heals that a crash has cut short, once the start is over.
        var first = _settings.SweepInterval * SweepsBeforeSearch;
        Timers.StartPeriodicTimer(
            nameof(SearchTick), SearchTick.Instance, first < _settings.FullSweepInterval ? first : _settings.FullSweepInterval, _settings.FullSweepInterval);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case SweepTick:
                if (_awaited.Count == 0)
                {
                    TakePage();
                }

                break;
            case OrderRechecked answer:
                if (_awaited.Remove(answer.OrderId))
                {
                    _pagesWithoutAnswer = 0;
                    if (_awaited.Count == 0)
                    {
                        PageIsDone();
                    }
                }

                break;
            case GiveUpWaiting:
                PassOver();
                break;
            case SearchTick when !_searching:
                _searching = true;
                _index.BeginSweep();
                FindUnjoinedAsync().PipeTo(Self);
                break;
            case PaymentsFound found:
                _searching = false;
                Heal(found.OrderIds);
                foreach (var orderId in _index.NotFoundBySweep(MostRefreshed))
                {
                    _unmatched.Tell(new RefreshIndex(orderId), ActorRefs.NoSender);
                }

                break;
            case Status.Failure failure:
                _searching = false;
                _log.Warning("The search for dead-lettered payments whose order exists failed; the next search tries again: {Error}", failure.Cause.Message);
                break;
            case SearchTick:
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    // A round asks every order that was due when it began, once. Those that still wait after it, because another message of
    // them came or their row cannot be written, are due again in the next round: none is asked twice before the others.
    private void TakePage()
    {
        if (_index.Waiting == 0 || !IsClockRunning(out var watermark))
        {
            return;
        }

        if (_roundUntil is not { } until)
        {
            _index.PutBack(_asked);
            _asked.Clear();
            _roundUntil = until = watermark - (long)_settings.Grace.TotalMicroseconds;
        }

        _page = [.. _index.TakeDue(until, _settings.SweepBatch)];
        if (_page.Count < _settings.SweepBatch)
        {
            _roundUntil = null;
        }

        foreach (var orderId in _page)
        {
            _awaited.Add(orderId);
            _router.Route(new RecheckOrder(orderId, watermark, Self));
        }

        if (_page.Count > 0)
        {
            Timers.StartSingleTimer(nameof(AnswerTimeout), GiveUpWaiting.Instance, AnswerTimeout);
        }
    }

    private void PageIsDone()
    {
        Timers.Cancel(nameof(AnswerTimeout));

        // Of one that still waits after its turn, the row may have been changed by another program.
        foreach (var orderId in _page.Where(_index.IsWaiting))
        {
            _asked.Add(orderId);
            _unmatched.Tell(new RefreshIndex(orderId), ActorRefs.NoSender);
        }

        if (_roundUntil is not null)
        {
            TakePage();
        }
    }

    // Orders did not answer: their rows cannot be written, and the others go on without them. When nobody answers at all, the
    // store does not, and asking more orders would only make more actors that wait for it.
    private void PassOver()
    {
        _asked.AddRange(_page.Where(_index.IsWaiting));
        var nobodyAnswered = _awaited.Count == _page.Count;
        _awaited.Clear();
        if (nobodyAnswered && ++_pagesWithoutAnswer >= MostPagesWithoutAnswer)
        {
            _pagesWithoutAnswer = 0;
            _roundUntil = null;
        }
        else if (_roundUntil is not null)
        {
            TakePage();
        }
    }

    private bool IsClockRunning(out long watermark)
    {
        var reading = _watermark();
        if (reading.Micros is null && !_clockStopped)
        {
            _clockStopped = true;
            _log.Info("The grace period of {Orders} orders with waiting payments is suspended: {Hold}", _index.Waiting, reading.ToString());
        }
        else if (reading.Micros is { } at && _clockStopped)
        {
            _clockStopped = false;
            _log.Info("The grace period of waiting payments continues; all orders published before {Watermark} have been received", Timestamps.Rfc3339(at));
        }

        watermark = reading.Micros ?? 0;
        return reading.Micros is not null;
    }

    // The rows of other programs, or of a heal that a crash cut short, are not in the index as they are in the table.
    private async Task<PaymentsFound> FindUnjoinedAsync()
    {
        var found = new List<long>();
        var page = new HashSet<long>();
        await foreach (var payment in _store.ListUnjoinedAsync(_stopped.Token))
        {
            if (payment.State != UnmatchedState.Waiting || !_index.Contains(payment.OrderId))
            {
                _index.Add(payment);
            }

            if (payment.State == UnmatchedState.DeadLettered && page.Add(payment.OrderId) && page.Count == _settings.SweepBatch)
            {
                await AddJoinable();
            }
        }

        await AddJoinable();
        return new PaymentsFound(found);

        async Task AddJoinable()
        {
            long[] orderIds = [.. page];
            page.Clear();
            var rows = await _store.ReadAsync(orderIds, _stopped.Token);
            found.AddRange(orderIds.Where((_, i) => rows[i]?.Order is not null));
        }
    }

    private void Heal(IReadOnlyList<long> orderIds)
    {
        if (orderIds.Count > 0)
        {
            _log.Info("{Payments} dead-lettered payments have an order by now and are joined", orderIds.Count);
        }

        foreach (var orderId in orderIds)
        {
            _router.Route(new RecheckOrder(orderId, WatermarkMicros: 0, Self));
        }
    }

    private sealed record PaymentsFound(IReadOnlyList<long> OrderIds) : INoSerializationVerificationNeeded;

    private sealed class SweepTick : INoSerializationVerificationNeeded
    {
        public static readonly SweepTick Instance = new();
    }

    private sealed class SearchTick : INoSerializationVerificationNeeded
    {
        public static readonly SearchTick Instance = new();
    }

    private sealed class GiveUpWaiting : INoSerializationVerificationNeeded
    {
        public static readonly GiveUpWaiting Instance = new();
    }
}
