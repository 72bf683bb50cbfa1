namespace EcomStream.Cluster;

/// <summary>What a node tells the others, several times in a second.</summary>
internal sealed record NodeReport : INodeMessage
{
    /// <summary>The node.</summary>
    public required NodeId Node { get; init; }

    /// <summary>When it was sent, in microseconds of the node's monotonic clock.</summary>
    public required long SentAt { get; init; }

    /// <summary>
    /// Every order published before this time that the node has received is durable, microseconds since the Unix epoch; null
    /// while that is unknown.
    /// </summary>
    public required long? WatermarkMicros { get; init; }

    /// <summary>The longest time for which the node's unsettled messages stay leased after its death, microseconds.</summary>
    public required long LongestLeaseMicros { get; init; }

    /// <summary>For each node that it has heard from: when the last report of that node was sent.</summary>
    public required IReadOnlyList<(NodeId Node, long SentAt)> Heard { get; init; }

    /// <summary>The shards that run on it, and the messages that each has accepted since it started.</summary>
    public required IReadOnlyList<(int Shard, long Messages)> Shards { get; init; }

    /// <summary>How often a shard has started on it.</summary>
    public required long ShardsStarted { get; init; }

    /// <summary>Messages that it has received and not settled.</summary>
    public required int Outstanding { get; init; }
}
