using System.Collections.Concurrent;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>A shard that runs on this node.</summary>
/// <param name="number">Its number.</param>
/// <param name="index">Its orders with unmatched payments.</param>
internal sealed class HostedShard(int number, UnmatchedIndex index)
{
    private long _messages;

    /// <summary>Its number.</summary>
    public int Number { get; } = number;

    /// <summary>Its orders with unmatched payments.</summary>
    public UnmatchedIndex Index { get; } = index;

    /// <summary>Messages that it has accepted.</summary>
    public long Messages => Interlocked.Read(ref _messages);

    /// <summary>Messages were accepted.</summary>
    public void Count(int messages) => Interlocked.Add(ref _messages, messages);
}

/// <summary>The shards that run on this node. Thread-safe.</summary>
internal sealed class HostedShards
{
    private readonly ConcurrentDictionary<HostedShard, bool> _shards = new();
    private long _started;
    private long _givenBack;

    /// <summary>The shards, in the order of their numbers.</summary>
    public IReadOnlyList<HostedShard> All => [.. _shards.Keys.OrderBy(shard => shard.Number)];

    /// <summary>Orders with a payment that waits.</summary>
    public int WaitingOrders => _shards.Keys.Sum(shard => shard.Index.Waiting);

    /// <summary>How often a shard has started here.</summary>
    public long Started => Interlocked.Read(ref _started);

    /// <summary>Messages of this node that were given back to their subscription, because their shard was moved, lost or full.</summary>
    public long GivenBack => Interlocked.Read(ref _givenBack);

    /// <summary>Messages were given back.</summary>
    public void CountGivenBack(int messages) => Interlocked.Add(ref _givenBack, messages);

    /// <summary>A shard has started.</summary>
    public void Add(HostedShard shard)
    {
        Interlocked.Increment(ref _started);
        _shards.TryAdd(shard, true);
    }

    /// <summary>A shard has stopped.</summary>
    public void Remove(HostedShard shard) => _shards.TryRemove(shard, out _);
}
