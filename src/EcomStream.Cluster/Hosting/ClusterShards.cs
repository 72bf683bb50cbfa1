using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Event;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>The shards of a pipeline on the nodes of a cluster: proxies in front of a shard region.</summary>
internal sealed class ClusterShards : PipelineShards
{
    private const string RegionName = "ecomstream-shard";

    private readonly EcomStreamPipeline _pipeline;
    private readonly ClusterSettings _settings;
    private readonly ActorSystem _system;
    private readonly Akka.Cluster.Cluster _cluster;
    private readonly ClusterNode _node;
    private readonly ShardGroup _malformed;
    private IActorRef _region = ActorRefs.Nobody;

    /// <summary>Makes the shards of a pipeline.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="system">An actor system of the cluster.</param>
    /// <param name="settings">The settings of the cluster.</param>
    public ClusterShards(EcomStreamPipeline pipeline, ActorSystem system, ClusterSettings settings)
    {
        (_pipeline, _settings, _system) = (pipeline, settings, system);
        _cluster = Akka.Cluster.Cluster.Get(system);
        var self = _cluster.SelfUniqueAddress;
        Membership = new ClusterMembership(new NodeId(self.Address.ToString(), self.Uid), settings.StableAfter, pipeline.Time);
        _node = new ClusterNode(pipeline, Membership);
        _malformed = new ShardGroup(
            pipeline.Settings with { ConditionalRows = true }, pipeline.Ports.Store, pipeline.Ports.Publisher, pipeline.Metrics, pipeline.Time);
    }

    public override OrderRouter Router { get; } = new();

    public override IActorRef Unmatched => _malformed.Unmatched;

    public override int WaitingOrders => _node.Hosted.WaitingOrders;

    /// <summary>What this node knows of the cluster.</summary>
    public ClusterMembership Membership { get; }

    /// <summary>The shards that run on this node.</summary>
    public HostedShards Hosted => _node.Hosted;

    public override WatermarkReading Watermark() => Membership.Watermark();

    public override async Task OpenAsync(CancellationToken cancellationToken)
    {
        // Once this node is up, every other node knows that it will read the subscriptions.
        var isUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _cluster.RegisterOnMemberUp(isUp.SetResult);
        _system.Log.Info("Waiting for {Address} to join the cluster", _cluster.SelfAddress);
        await isUp.Task.WaitAsync(cancellationToken);

        // The extension comes first: it adds the defaults that its settings are read from.
        var sharding = ClusterSharding.Get(_system);
        var settings = ClusterShardingSettings.Create(_system).WithRole(_settings.Role);
        _region = await sharding.StartAsync(
            RegionName,
            entityId => OrderShard.Props(int.Parse(entityId, System.Globalization.CultureInfo.InvariantCulture), _node),
            settings,
            new ShardExtractor(),
            sharding.DefaultShardAllocationStrategy(settings),
            StopShard.Instance);
    }

    public override void Start(IActorContext context)
    {
        _cluster.System.RegisterOnTermination(new ClusterGauges(_node.Hosted, _cluster).Dispose);
        context.ActorOf(ClusterMonitor.Props(_pipeline, Membership, _node.Hosted), ClusterMonitor.Name);
        _malformed.StartUnmatched(context);
        var shards = _pipeline.Settings.Shards;
        Router.Use(
        [
            .. Enumerable.Range(0, shards).Select(shard => context.ActorOf(
                ShardProxy.Props(shard, _region, _settings.MaxOutstandingPerShard, _pipeline.Monitors[0].GivenBack, _node.Hosted, _pipeline.Time), $"shard-{shard}")),
        ]);
        context.ActorOf(ShardKeeper.Props(_region, shards), "shard-keeper");
    }

    /// <summary>The cluster as this node sees it.</summary>
    public ClusterStatus Status()
    {
        var state = _cluster.State;
        var reports = Membership.Nodes.ToDictionary(node => node.Node, node => node.Report);
        var unreachable = state.Unreachable.Select(member => member.UniqueAddress).ToHashSet();
        return new ClusterStatus(
            Membership.Self.Address,
            _pipeline.Settings.Shards,
            [
                .. state.Members.OrderBy(member => member.Address.ToString(), StringComparer.Ordinal).Select(member =>
                {
                    var report = reports.GetValueOrDefault(new NodeId(member.Address.ToString(), member.UniqueAddress.Uid));
                    return new ClusterNodeStatus(
                        member.Address.ToString(), member.Status.ToString(), unreachable.Contains(member.UniqueAddress), report?.Shards ?? [],
                        report?.ShardsStarted ?? 0, report?.Outstanding ?? 0, report?.WatermarkMicros);
                }),
            ]);
    }

    public override async Task FlushAsync(CancellationToken cancellationToken) =>
        await _malformed.Unmatched.Ask<UnmatchedDrained>(DrainUnmatched.Instance, cancellationToken);

    public override string ToString() =>
        $"{_pipeline.Settings.Shards} shards on a cluster of {_cluster.State.Members.Count} nodes, as {_cluster.SelfAddress}";
}
