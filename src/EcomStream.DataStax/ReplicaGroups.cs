using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Cassandra;
using EcomStream.Cassandra.Seam;

namespace EcomStream.DataStax;

/// <summary>The hosts that hold the same partitions.</summary>
/// <param name="Hosts">The hosts.</param>
/// <param name="PartitionKey">The key of one of those partitions, for routing.</param>
internal sealed record Replicas(IReadOnlyList<Host> Hosts, byte[] PartitionKey);

/// <summary>
/// Gives the same object for the same hosts. The driver's token map has one collection for each position on the ring, and
/// different positions may have the same hosts.
/// </summary>
internal sealed class ReplicaGroups
{
    private readonly ConditionalWeakTable<ICollection<Host>, Replicas> _byCollection = [];
    private readonly ConcurrentDictionary<string, Replicas> _byHosts = new();

    public ReplicaGroup Of(ICollection<Host> hosts, byte[] partitionKey)
    {
        if (!_byCollection.TryGetValue(hosts, out var replicas))
        {
            var sorted = hosts.OrderBy(host => host.Address.ToString(), StringComparer.Ordinal).ToArray();
            replicas = _byHosts.GetOrAdd(string.Join(',', sorted.Select(host => $"{host.Address}/{host.Datacenter}")), _ => new Replicas(sorted, partitionKey));
            _byCollection.AddOrUpdate(hosts, replicas);
        }

        return new ReplicaGroup(replicas);
    }
}
