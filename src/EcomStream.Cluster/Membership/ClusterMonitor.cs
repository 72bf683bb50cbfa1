using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>
/// Exchanges <see cref="NodeReport"/>s with the other nodes and follows the members of the cluster. When this node is removed
/// from the cluster, the pipeline fails: the majority has given its shards to other nodes.
/// </summary>
internal sealed class ClusterMonitor : UntypedActor, IWithTimers
{
    /// <summary>The name of the actor, a child of the pipeline's.</summary>
    public const string Name = "cluster-monitor";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    private readonly EcomStreamPipeline _pipeline;
    private readonly ClusterMembership _membership;
    private readonly HostedShards _hosted;
    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private bool _wasCertain = true;
    private int _shards;
    private long _started;
    private long _givenBack;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public ClusterMonitor(EcomStreamPipeline pipeline, ClusterMembership membership, HostedShards hosted) =>
        (_pipeline, _membership, _hosted) = (pipeline, membership, hosted);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The monitor of a node.</summary>
    public static Props Props(EcomStreamPipeline pipeline, ClusterMembership membership, HostedShards hosted) =>
        Akka.Actor.Props.Create(() => new ClusterMonitor(pipeline, membership, hosted));

    protected override void PreStart()
    {
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        Timers.StartPeriodicTimer(nameof(Interval), SendReports.Instance, Interval);
        Follow();
        Self.Tell(SendReports.Instance);
    }

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case SendReports:
                Follow();
                Report();
                LogDoubt();
                LogShards();
                break;
            case NodeReport report:
                _membership.Reported(report);
                break;
            case ClusterEvent.MemberRemoved removed when removed.Member.UniqueAddress.Equals(_cluster.SelfUniqueAddress):
                throw new NodeRemovedException();
            case ClusterEvent.IMemberEvent or ClusterEvent.IReachabilityEvent:
                Follow();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private static NodeId IdOf(UniqueAddress address) => new(address.Address.ToString(), address.Uid);

    private void Follow()
    {
        var state = _cluster.State;
        var nodes = state.Members.Where(member => member.Status != MemberStatus.Removed).ToList();
        var self = _cluster.SelfUniqueAddress;
        _membership.Members(
            [.. nodes.Select(member => IdOf(member.UniqueAddress))],
            [
                .. nodes
                    .Where(member => member.Status is MemberStatus.Up or MemberStatus.Leaving || member.UniqueAddress.Equals(self))
                    .Select(member => IdOf(member.UniqueAddress)),
            ],
            state.Unreachable.Select(member => IdOf(member.UniqueAddress)).ToHashSet(),
            _pipeline.Monitors[0].LongestLease);
    }

    private void Report()
    {
        var report = new NodeReport
        {
            Node = _membership.Self,
            SentAt = _membership.Now,
            WatermarkMicros = _pipeline.Monitors[0].ReadSettled().Micros,
            LongestLeaseMicros = (long)_pipeline.Monitors[0].LongestLease.TotalMicroseconds,
            Heard = _membership.Heard,
            Shards = [.. _hosted.All.Select(shard => (shard.Number, shard.Messages))],
            ShardsStarted = _hosted.Started,
            Outstanding = _pipeline.Ports.Subscriptions.Sum(subscription => subscription.Status.OutstandingMessages),
        };
        _membership.Reported(report);
        foreach (var member in _cluster.State.Members)
        {
            if (!member.UniqueAddress.Equals(_cluster.SelfUniqueAddress))
            {
                Context.ActorSelection(new RootActorPath(member.Address) / "user" / _pipeline.Name / Name).Tell(report, Self);
            }
        }
    }

    private void LogDoubt()
    {
        var isCertain = _membership.Certificate is not null;
        if (isCertain != _wasCertain)
        {
            _wasCertain = isCertain;
            if (isCertain)
            {
                _log.Info("The majority of the cluster answers; the shards of this node write again");
            }
            else
            {
                _log.Warning("This node has not heard from the majority of the cluster lately; its shards do not write until it answers");
            }
        }
    }

    private void LogShards()
    {
        var (shards, started, givenBack) = (_hosted.All.Count, _hosted.Started, _hosted.GivenBack);
        if (shards != _shards || started != _started)
        {
            _log.Info(
                "{Shards} of {AllShards} shards run on this node, one of {Nodes}", shards, _pipeline.Settings.Shards, _cluster.State.Members.Count);
            (_shards, _started) = (shards, started);
        }

        if (givenBack != _givenBack)
        {
            _log.Info(
                "{Messages} messages are given back to their subscription, because their shard is being moved, its node is gone or it has too many",
                givenBack - _givenBack);
            _givenBack = givenBack;
        }
    }

    private sealed class SendReports : INoSerializationVerificationNeeded
    {
        public static readonly SendReports Instance = new();
    }
}
