using System.Net;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Cluster;

/// <summary>What a node says of the cluster: system.local, system.peers_v2 (or system.peers before Cassandra 4), system_schema.</summary>
internal static class Topology
{
    private const string Columns = "host_id, data_center, rack, tokens, schema_version";

    /// <summary>All nodes, the one that was asked first.</summary>
    /// <exception cref="CqlProtocolException">It does not know itself, as while it is joining: what it says is of no use.</exception>
    public static async Task<IReadOnlyList<NodeDescription>> ReadAsync(CqlConnection connection, byte version, CancellationToken cancellationToken)
    {
        var nodes = new List<NodeDescription>();
        var local = await QueryRequest.SendAsync(connection, version, $"SELECT {Columns} FROM system.local WHERE key = 'local'", cancellationToken);
        while (local.Next())
        {
            if (Describe(local, connection.Endpoint) is { } self)
            {
                nodes.Add(self);
            }
        }

        if (nodes.Count == 0)
        {
            throw new CqlProtocolException($"{connection.Endpoint} does not describe itself in system.local.");
        }

        nodes.AddRange(await PeersAsync(connection, version, cancellationToken));
        return nodes;
    }

    /// <summary>A keyspace's replication; empty when the keyspace does not exist.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ReplicationAsync(
        CqlConnection connection, byte version, string keyspace, CancellationToken cancellationToken) =>
        ToReplication(await QueryRequest.SendAsync(connection, version, ReplicationOf(keyspace), cancellationToken));

    /// <summary>Asks for a keyspace's replication.</summary>
    public static string ReplicationOf(string keyspace) => $"SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'";

    /// <summary>The answer to <see cref="ReplicationOf"/>; empty when the keyspace does not exist.</summary>
    public static IReadOnlyDictionary<string, string> ToReplication(RowSet rows) =>
        rows.Next() && rows.Value(0) is Dictionary<object, object?> map
            ? map.ToDictionary(option => (string)option.Key, option => (string?)option.Value ?? "")
            : new Dictionary<string, string>();

    private static async Task<List<NodeDescription>> PeersAsync(CqlConnection connection, byte version, CancellationToken cancellationToken)
    {
        RowSet peers;
        var hasPort = true;
        try
        {
            peers = await QueryRequest.SendAsync(connection, version, $"SELECT {Columns}, native_address, native_port FROM system.peers_v2", cancellationToken);
        }
        catch (CqlServerException missing) when (missing.Code == CqlErrorCode.Invalid)
        {
            hasPort = false;
            peers = await QueryRequest.SendAsync(connection, version, $"SELECT {Columns}, rpc_address, peer FROM system.peers", cancellationToken);
        }

        var nodes = new List<NodeDescription>();
        while (peers.Next())
        {
            var address = (IPAddress?)peers.Value(5);
            if (address is not null && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any)) && !hasPort)
            {
                address = (IPAddress?)peers.Value(6);
            }

            var port = hasPort ? (int?)peers.Value(6) ?? connection.Endpoint.Port : connection.Endpoint.Port;
            if (address is not null && Describe(peers, new IPEndPoint(address, port)) is { } node)
            {
                nodes.Add(node);
            }
        }

        return nodes;
    }

    // A row that is not complete yet is of a node that is just joining.
    private static NodeDescription? Describe(RowSet row, IPEndPoint endpoint) =>
        row.Value(0) is Guid hostId && row.TextOrNull(1) is { } datacenter && row.TextOrNull(2) is { } rack && row.Value(3) is List<object?> tokens
            ? new NodeDescription(
                hostId,
                endpoint,
                datacenter,
                rack,
                [.. tokens.OfType<string>().Where(token => long.TryParse(token, out _)).Select(long.Parse)],
                (Guid?)row.Value(4))
            : null;
}
