using Akka.Actor;
using Akka.Event;
using EcomStream.Actors;
using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>
/// One shard as the router of a node sees it. It keeps the node's unsettled deliveries of that shard in a
/// <see cref="DeliveryRegistry{TIncarnation}"/>, sends batches to the shard region, settles what the shard reports, and gives
/// back what was lost with a node. At most <see cref="MaxOutstanding"/> deliveries are with the shard, so that a slow shard
/// does not occupy the whole subscription.
/// </summary>
internal sealed class ShardProxy : UntypedActor, IWithTimers
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    // Longer than an ordinary hand-over, during which the region keeps the messages.
    private static readonly TimeSpan AcceptTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ExcessDelay = TimeSpan.FromSeconds(1);

    private readonly int _shard;
    private readonly IActorRef _region;
    private readonly Action<Delivery> _givenBack;
    private readonly HostedShards _hosted;
    private readonly TimeProvider _time;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly DeliveryRegistry<IActorRef> _registry = new();
    private IActorRef? _entity;
    private bool _excessIsLogged;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public ShardProxy(int shard, IActorRef region, int maxOutstanding, Action<Delivery> givenBack, HostedShards hosted, TimeProvider time) =>
        (_shard, _region, MaxOutstanding, _givenBack, _hosted, _time) = (shard, region, maxOutstanding, givenBack, hosted, time);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Deliveries of this node that may be with the shard.</summary>
    public int MaxOutstanding { get; }

    /// <summary>The proxy of a shard.</summary>
    /// <param name="shard">The number of the shard.</param>
    /// <param name="region">The shard region of this node.</param>
    /// <param name="maxOutstanding">Deliveries of this node that may be with the shard.</param>
    /// <param name="givenBack">Is told which deliveries are given back unsettled, before they are.</param>
    /// <param name="hosted">Counts what is given back.</param>
    /// <param name="time">The clock.</param>
    public static Props Props(int shard, IActorRef region, int maxOutstanding, Action<Delivery> givenBack, HostedShards hosted, TimeProvider time) =>
        Akka.Actor.Props.Create(() => new ShardProxy(shard, region, maxOutstanding, givenBack, hosted, time));

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(Tick), CheckAccepted.Instance, Tick);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ShardBatch batch:
                Send(batch.Messages);
                break;
            case Settled settled:
                foreach (var id in settled.Acks)
                {
                    _registry.Take(id)?.Ack();
                }

                GiveBack([.. settled.Nacks.Select(_registry.Take).OfType<Delivery>()]);
                break;
            case BatchAccepted accepted:
                _registry.Accepted(accepted.Batch, Sender);
                if (!Sender.Equals(_entity))
                {
                    _entity = Sender;
                    Context.Watch(Sender);
                }

                break;
            case BatchRefused refused:
                GiveBack(_registry.TakeBatch(refused.Batch));
                break;
            case Terminated terminated:
                Lost(terminated.ActorRef);
                break;
            case CheckAccepted:
                GiveBackNotAccepted();
                break;
            case GiveBackExcess excess:
                GiveBack(excess.Deliveries);
                break;
            case InspectOrder inspect when _entity is { } entity && entity.Path.Address.HasLocalScope:
                entity.Tell(inspect, ActorRefs.NoSender);
                break;
            case InspectOrder inspect:
                inspect.ReplyTo.Tell(new OrderInspected(null), ActorRefs.NoSender);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Send(IReadOnlyList<OrderMessage> messages)
    {
        var room = Math.Max(0, MaxOutstanding - _registry.Open);
        for (var start = 0; start < Math.Min(room, messages.Count);)
        {
            var count = Math.Min(Math.Min(room, messages.Count) - start, DeliveryId.MaxBatch);
            var part = start == 0 && count == messages.Count ? messages : [.. messages.Skip(start).Take(count)];
            var deliveries = new Delivery[count];
            for (var i = 0; i < count; i++)
            {
                deliveries[i] = ShardMessages.Received(part[i]);
            }

            _region.Tell(new ShardDelivery
            {
                Shard = _shard,
                Batch = _registry.Add(deliveries, _time.GetTimestamp()),
                Kind = ShardMessages.KindOf(part[0]),
                Subscription = deliveries[0].Subscription,
                Decoded = part,
            });
            start += count;
        }

        if (messages.Count > room)
        {
            GiveBackLater([.. messages.Skip(room).Select(ShardMessages.Received)]);
        }
    }

    // At once it would come back at once.
    private void GiveBackLater(IReadOnlyList<Delivery> excess)
    {
        if (!_excessIsLogged)
        {
            _excessIsLogged = true;
            _log.Warning(
                "Shard {Shard} has {Outstanding} unsettled messages of this node, the most that ecomstream.cluster.max-outstanding-per-shard allows; further ones are given back to the subscription, so that the other shards go on",
                _shard, _registry.Open);
        }

        Timers.StartSingleTimer(excess, new GiveBackExcess(excess), ExcessDelay);
    }

    private void Lost(IActorRef entity)
    {
        if (entity.Equals(_entity))
        {
            _entity = null;
        }

        var lost = _registry.TakeLost(entity);
        if (lost.Count > 0)
        {
            _log.Debug("Shard {Shard} has left {Node}; {Messages} unsettled messages are given back to their subscription", _shard, entity.Path.Address, lost.Count);
        }

        GiveBack(lost);
    }

    private void GiveBackNotAccepted()
    {
        _excessIsLogged &= _registry.Open >= MaxOutstanding;
        var sentUntil = _time.GetTimestamp() - (long)(AcceptTimeout.TotalSeconds * _time.TimestampFrequency);
        var lost = _registry.TakeNotAccepted(sentUntil);
        if (lost.Count > 0)
        {
            _log.Debug(
                "Shard {Shard} has not accepted {Messages} messages within {Timeout:0} s, because its node is gone or the shard is being moved; they are given back to their subscription",
                _shard, lost.Count, AcceptTimeout.TotalSeconds);
        }

        GiveBack(lost);
    }

    private void GiveBack(IReadOnlyList<Delivery> deliveries)
    {
        _hosted.CountGivenBack(deliveries.Count);
        foreach (var delivery in deliveries)
        {
            _givenBack(delivery);
            delivery.Nack();
        }
    }

    private sealed record GiveBackExcess(IReadOnlyList<Delivery> Deliveries) : INoSerializationVerificationNeeded;

    private sealed class CheckAccepted : INoSerializationVerificationNeeded
    {
        public static readonly CheckAccepted Instance = new();
    }
}
