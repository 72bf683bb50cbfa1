using Akka.Actor;
using Akka.Event;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>
/// The entity of Akka.Cluster.Sharding: one shard with its <see cref="ShardGroup"/>. It opens the batches of all nodes,
/// reports settlements to them, and on a hand-over finishes what it has accepted before it stops. When a part of it fails it
/// stops as well: the nodes give its messages back, and the next message starts it again.
/// </summary>
internal sealed class OrderShard : UntypedActor, IWithTimers
{
    private static readonly TimeSpan SettleLinger = TimeSpan.FromMilliseconds(5);

    // Less than akka.cluster.sharding.handoff-timeout, after which the shard would be stopped whatever it does; more than the
    // request timeout of the store, so that no write is under way when the shard starts elsewhere.
    internal static readonly TimeSpan LongestStop = TimeSpan.FromSeconds(7);
    private static readonly TimeSpan NoProgress = TimeSpan.FromMilliseconds(500);

    private readonly int _shard;
    private readonly ClusterNode _node;
    private readonly ShardGroup _group;
    private readonly HostedShard _hosted;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ICancelable _stopped = Cancelables.New(Context);
    private readonly Dictionary<IActorRef, Settlements> _origins = [];
    private readonly HashSet<Settlements> _pending = [];
    private bool _isStopping;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public OrderShard(int shard, ClusterNode node)
    {
        (_shard, _node) = (shard, node);
        var settings = node.Settings with { Writers = 1, ConditionalRows = true };
        _group = new ShardGroup(settings, new FencedStore(node.Store, node.Ownership, shard, settings.Shards), node.Publisher, node.Metrics, node.Time);
        _hosted = new HostedShard(shard, _group.Index);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A shard.</summary>
    /// <param name="shard">Its number.</param>
    /// <param name="node">The node that it runs on.</param>
    public static Props Props(int shard, ClusterNode node) =>
        Akka.Actor.Props.Create(() => new OrderShard(shard, node)).WithDispatcher("ecomstream.shard-dispatcher");

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(failure =>
    {
        Fail(failure);
        return Directive.Stop;
    });

    protected override void PreStart()
    {
        _group.Index.IsLoading = true;
        _group.Start(Context, [_shard], _node.Watermark);
        _node.Hosted.Add(_hosted);
        LoadIndex();
    }

    protected override void PostStop()
    {
        _stopped.Cancel();
        _node.Hosted.Remove(_hosted);
    }

    protected override void OnReceive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
    }

    private void Handle(object message)
    {
        switch (message)
        {
            case ShardDelivery batch when _isStopping:
                Sender.Tell(new BatchRefused(batch.Batch));
                break;
            case ShardDelivery batch:
                Accept(batch);
                break;
            case SettlementsPending pending:
                Report(pending);
                break;
            case ReportSettlements:
                ReportAll();
                break;
            case Terminated terminated:
                _origins.Remove(terminated.ActorRef);
                break;
            case InspectOrder inspect:
                _group.Router.Route(inspect);
                break;
            case IndexLoaded:
                _group.Index.IsLoading = false;
                _log.Debug("Shard {Shard} runs on this node; {Orders} of its orders have unmatched payments", _shard, _group.Index.Count);
                break;
            case Status.Failure failure:
                _log.Warning("The unmatched payments of shard {Shard} could not be read; every order is looked up until that succeeds: {Error}", _shard, failure.Cause.Message);
                Timers.StartSingleTimer(nameof(LoadAgain), LoadAgain.Instance, _node.Settings.WriteBackoff.After(3));
                break;
            case LoadAgain:
                LoadIndex();
                break;
            case StopShard when !_isStopping:
                _isStopping = true;
                DrainAsync([.. _origins.Values]).PipeTo(Self, success: () => Drained.Instance, failure: _ => Drained.Instance);
                break;
            case StopShard:
                break;
            case Drained:
                foreach (var origin in _origins.Values)
                {
                    origin.Flush();
                }

                _log.Debug("Shard {Shard} leaves this node; {Messages} messages are not finished and are given back", _shard, _origins.Values.Sum(o => o.Open));
                Context.Stop(Self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void LoadIndex() => _node.Loader.LoadAsync(_shard, _group.Index, _stopped.Token)
        .PipeTo(Self, success: () => IndexLoaded.Instance, failure: error => new Status.Failure(error));

    private void Accept(ShardDelivery batch)
    {
        if (!_origins.TryGetValue(Sender, out var settlements))
        {
            _origins.Add(Sender, settlements = new Settlements(Self, Sender));
            Context.Watch(Sender);
        }

        Sender.Tell(new BatchAccepted(batch.Batch));
        var count = batch.Decoded?.Count ?? batch.Raw!.Count;
        settlements.Accept(count);
        _hosted.Count(count);
        _group.Router.Route(ShardMessages.Open(batch, settlements));
    }

    private void Report(SettlementsPending pending)
    {
        if (pending.IsMany)
        {
            pending.Settlements.Flush();
        }
        else if (_pending.Add(pending.Settlements) && _pending.Count == 1)
        {
            Timers.StartSingleTimer(nameof(ReportSettlements), ReportSettlements.Instance, SettleLinger);
        }
    }

    private void ReportAll()
    {
        foreach (var settlements in _pending)
        {
            settlements.Flush();
        }

        _pending.Clear();
    }

    private async Task DrainAsync(IReadOnlyList<Settlements> origins)
    {
        using var deadline = new CancellationTokenSource(
            _node.Settings.ShutdownTimeout < LongestStop ? _node.Settings.ShutdownTimeout : LongestStop, _node.Time);
        await PipelineDrain.FinishAsync(
            _group.FlushAsync, () => origins.Sum(origin => origin.Open), NoProgress, _node.Time, deadline.Token);
    }

    private void Fail(Exception failure)
    {
        _log.Error(failure, "Shard {Shard} has failed and starts again; its messages are given back to their subscriptions: {Error}", _shard, failure.Message);
        Context.Stop(Self);
    }

    private sealed class IndexLoaded : INoSerializationVerificationNeeded
    {
        public static readonly IndexLoaded Instance = new();
    }

    private sealed class LoadAgain : INoSerializationVerificationNeeded
    {
        public static readonly LoadAgain Instance = new();
    }

    private sealed class ReportSettlements : INoSerializationVerificationNeeded
    {
        public static readonly ReportSettlements Instance = new();
    }

    private sealed class Drained : INoSerializationVerificationNeeded
    {
        public static readonly Drained Instance = new();
    }
}
