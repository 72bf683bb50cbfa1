using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Messages for one shard, in the order of their batch: from the router to an <see cref="OrderSupervisor"/>.</summary>
/// <param name="Messages">Orders and payments of this shard.</param>
public sealed record ShardBatch(IReadOnlyList<OrderMessage> Messages) : INoSerializationVerificationNeeded;

/// <summary>
/// Sends messages to the shards of their orders, one <see cref="ShardBatch"/> per shard and call. Thread-safe: it holds
/// nothing but the shards.
/// </summary>
internal sealed class OrderRouter
{
    private IReadOnlyList<IActorRef> _shards = [];

    /// <summary>The shards, in order; set once, before anything is routed.</summary>
    public void Use(IReadOnlyList<IActorRef> shards) => _shards = shards;

    /// <summary>Routes a batch; messages of one order keep their order.</summary>
    public void Route(IReadOnlyList<OrderMessage> messages)
    {
        if (messages.Count == 0)
        {
            return;
        }

        // A counting sort: how many messages each shard gets, then arrays of exactly that size.
        var shards = _shards.Count;
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

    /// <summary>Routes one message to the shard of its order.</summary>
    public void Route(IOrderMessage message) =>
        _shards[Shards.Of(message.OrderId, _shards.Count)].Tell(message, ActorRefs.NoSender);

    /// <summary>Sends a message to every shard.</summary>
    public void Broadcast(object message)
    {
        foreach (var shard in _shards)
        {
            shard.Tell(message, ActorRefs.NoSender);
        }
    }
}
