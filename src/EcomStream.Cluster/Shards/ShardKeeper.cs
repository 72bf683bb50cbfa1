using Akka.Actor;
using Akka.Cluster.Sharding;

namespace EcomStream.Cluster;

/// <summary>
/// Keeps every shard running, also one that receives no message: its payments wait and its sweeper gives them up. The shards
/// are a fixed range of numbers, so each node asks for all of them, and no store of remembered entities is needed.
/// </summary>
internal sealed class ShardKeeper : UntypedActor, IWithTimers
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private readonly IActorRef _region;
    private readonly int _shards;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public ShardKeeper(IActorRef region, int shards) => (_region, _shards) = (region, shards);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The keeper of a node.</summary>
    public static Props Props(IActorRef region, int shards) => Akka.Actor.Props.Create(() => new ShardKeeper(region, shards));

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(Interval), KeepRunning.Instance, TimeSpan.Zero, Interval);

    protected override void OnReceive(object message)
    {
        // The region also answers each request.
        if (message is not KeepRunning)
        {
            return;
        }

        for (var shard = 0; shard < _shards; shard++)
        {
            _region.Tell(new ShardRegion.StartEntity(ShardExtractor.IdOf(shard)));
        }
    }

    private sealed class KeepRunning : INoSerializationVerificationNeeded
    {
        public static readonly KeepRunning Instance = new();
    }
}
