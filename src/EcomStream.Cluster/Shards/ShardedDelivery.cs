using System.Diagnostics;
using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>A delivery that another actor, usually on another node, has received: settling it reports its id there.</summary>
/// <param name="message">The message.</param>
/// <param name="subscription">The subscription that it came from.</param>
/// <param name="settlements">Reports to the node that has received it.</param>
/// <param name="id">Its <see cref="DeliveryId"/>.</param>
/// <param name="trace">Its span, where it was received in this process.</param>
internal sealed class ShardedDelivery(in RawMessage message, string subscription, Settlements settlements, long id, Activity? trace) : Delivery
{
    private readonly RawMessage _message = message;
    private int _isSettled;

    public override ReadOnlyMemory<byte> Data => _message.Data;

    public override IReadOnlyDictionary<string, string> Attributes => _message.Attributes;

    public override string MessageId => _message.MessageId;

    public override long PublishTimeMicros => _message.PublishTimeMicros;

    public override string Subscription => subscription;

    public override Activity? Trace => trace;

    public override void Ack() => Settle(isAck: true);

    public override void Nack() => Settle(isAck: false);

    private void Settle(bool isAck)
    {
        if (Interlocked.Exchange(ref _isSettled, 1) == 0)
        {
            settlements.Add(id, isAck);
        }
    }
}

/// <summary>
/// Collects what one shard settles for one node, and reports it in batches. Thread-safe: writers and orders settle on
/// threads of their own.
/// </summary>
/// <param name="shard">The shard, which is told when there is something to report.</param>
/// <param name="origin">The proxy of the node.</param>
internal sealed class Settlements(IActorRef shard, IActorRef origin)
{
    // A report before the linger is over, so that one burst does not make one large message.
    private const int Many = 1_024;

    private readonly Lock _lock = new();
    private List<long> _acks = [];
    private List<long> _nacks = [];
    private long _open;

    /// <summary>Deliveries that are not settled.</summary>
    public long Open => Interlocked.Read(ref _open);

    /// <summary>Deliveries were accepted.</summary>
    public void Accept(int deliveries) => Interlocked.Add(ref _open, deliveries);

    /// <summary>A delivery was settled.</summary>
    public void Add(long id, bool isAck)
    {
        int count;
        lock (_lock)
        {
            (isAck ? _acks : _nacks).Add(id);
            count = _acks.Count + _nacks.Count;
        }

        Interlocked.Decrement(ref _open);
        if (count is 1 or Many)
        {
            shard.Tell(new SettlementsPending(this, IsMany: count == Many), ActorRefs.NoSender);
        }
    }

    /// <summary>Reports what was settled since the last report.</summary>
    public void Flush()
    {
        List<long> acks, nacks;
        lock (_lock)
        {
            if (_acks.Count + _nacks.Count == 0)
            {
                return;
            }

            (acks, _acks) = (_acks, []);
            (nacks, _nacks) = (_nacks, []);
        }

        origin.Tell(new Settled(acks, nacks), shard);
    }
}

/// <summary>A node has settlements to be reported: to the shard itself.</summary>
/// <param name="Settlements">Those of the node.</param>
/// <param name="IsMany">Whether they are to be reported at once.</param>
internal sealed record SettlementsPending(Settlements Settlements, bool IsMany) : INoSerializationVerificationNeeded;
