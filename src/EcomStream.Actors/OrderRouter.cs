using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Sends messages to the shards of their orders, one <see cref="ShardBatch"/> per shard and call. Thread-safe: it
/// holds nothing but the shards.
/// </summary>
internal sealed class OrderRouter
{
    private IReadOnlyList<IActorRef> _shards = [];

    /// <summary>The shards, in order; set once, before anything is routed.</summary>
    public void Use(IReadOnlyList<IActorRef> shards) => _shards = shards;

    public IActorRef ShardOf(long orderId) => _shards[Shards.Of(orderId, _shards.Count)];

    /// <summary>Routes a batch; messages of one order keep their order.</summary>
    public void Route(IReadOnlyList<OrderMessage> messages)
    {
        var shards = _shards.Count;
        if (messages.Count == 0)
        {
            return;
        }

        // A counting sort: how many messages each shard gets, then arrays of exactly that size.
        Span<int> counts = shards <= 256 ? stackalloc int[shards] : new int[shards];
        var shardOf = new int[messages.Count];
        for (var i = 0; i < messages.Count; i++)
        {
            var shard = Shards.Of(messages[i].OrderId, shards);
            shardOf[i] = shard;
            counts[shard]++;
        }

        var batches = new OrderMessage[shards][];
        for (var i = 0; i < messages.Count; i++)
        {
            var shard = shardOf[i];
            var batch = batches[shard] ??= new OrderMessage[counts[shard]];
            batch[^counts[shard]--] = messages[i];
        }

        for (var shard = 0; shard < shards; shard++)
        {
            if (batches[shard] is { } batch)
            {
                _shards[shard].Tell(new ShardBatch(batch), ActorRefs.NoSender);
            }
        }
    }

    /// <summary>Sends back a guarded payment that met another one.</summary>
    public void Refuse(PaymentReceived payment) =>
        ShardOf(payment.OrderId).Tell(new PaymentRefused(payment), ActorRefs.NoSender);

    /// <summary>Sends a message to every shard.</summary>
    public void Broadcast(object message)
    {
        foreach (var shard in _shards)
        {
            shard.Tell(message, ActorRefs.NoSender);
        }
    }
}
