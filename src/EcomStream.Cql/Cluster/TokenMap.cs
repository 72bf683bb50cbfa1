namespace EcomStream.Cql.Cluster;

/// <summary>The nodes that hold the same partitions. The same set is the same object, wherever on the ring it begins.</summary>
internal sealed class ReplicaSet(IReadOnlyList<CqlNode> nodes)
{
    public IReadOnlyList<CqlNode> Nodes => nodes;

    /// <summary>How many of them have a write for certain when it is confirmed.</summary>
    /// <param name="consistency">The consistency that it was sent with.</param>
    /// <param name="localDatacenter">The datacenter of the node that it was sent to.</param>
    public int Confirming(Consistency consistency, string localDatacenter) =>
        Confirmations.Of(consistency, [.. nodes.Select(node => node.Datacenter)], localDatacenter);
}

/// <summary>Which nodes hold a token of one keyspace.</summary>
internal sealed class TokenMap
{
    private readonly long[] _tokens;
    private readonly ReplicaSet[] _replicas;

    private TokenMap(long[] tokens, ReplicaSet[] replicas) => (_tokens, _replicas) = (tokens, replicas);

    /// <summary>No tokens are known: every partition may be anywhere.</summary>
    public static TokenMap Unknown { get; } = new([], [new ReplicaSet([])]);

    /// <summary>Lays the keyspace's replicas out on the ring.</summary>
    /// <param name="nodes">All nodes with their tokens.</param>
    /// <param name="replication">The keyspace's replication, as system_schema.keyspaces has it.</param>
    public static TokenMap Build(IReadOnlyCollection<CqlNode> nodes, IReadOnlyDictionary<string, string> replication)
    {
        var ring = nodes
            .SelectMany(node => node.Tokens.Select(token => (Token: token, Node: node)))
            .OrderBy(position => position.Token)
            .ToArray();
        if (ring.Length == 0)
        {
            return Unknown;
        }

        var placement = Placement.Of(nodes, replication);
        var sets = new Dictionary<string, ReplicaSet>();
        var replicas = new ReplicaSet[ring.Length];
        for (var i = 0; i < ring.Length; i++)
        {
            var start = i;
            var holding = placement.Choose(Enumerable.Range(0, ring.Length).Select(step => ring[(start + step) % ring.Length].Node));
            var key = string.Join(',', holding.Select(node => node.HostId).Order());
            if (!sets.TryGetValue(key, out var set))
            {
                sets.Add(key, set = new ReplicaSet(holding));
            }

            replicas[i] = set;
        }

        return new TokenMap([.. ring.Select(position => position.Token)], replicas);
    }

    /// <summary>The nodes that hold a token.</summary>
    public ReplicaSet ReplicasOf(long token)
    {
        // A node owns what lies after the token before its own, up to and with its own.
        var at = Array.BinarySearch(_tokens, token);
        at = at < 0 ? ~at : at;
        return _replicas[at == _tokens.Length ? 0 : at];
    }
}
