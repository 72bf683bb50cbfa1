using System.Globalization;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// Where a keyspace's replicas lie, walking the ring from a token: SimpleStrategy takes the next nodes,
/// NetworkTopologyStrategy as many in each datacenter as it is given, in different racks as long as there are any
/// without a replica.
/// </summary>
internal sealed class Placement
{
    private const string AnyDatacenter = "";

    private readonly Dictionary<string, int> _wanted;
    private readonly Dictionary<string, int> _racks;
    private readonly bool _byDatacenter;

    private Placement(Dictionary<string, int> wanted, Dictionary<string, int> racks, bool byDatacenter) =>
        (_wanted, _racks, _byDatacenter) = (wanted, racks, byDatacenter);

    /// <summary>Reads a keyspace's replication, as system_schema.keyspaces has it.</summary>
    public static Placement Of(IReadOnlyCollection<CqlNode> nodes, IReadOnlyDictionary<string, string> replication)
    {
        var strategy = replication.GetValueOrDefault("class", "");
        if (strategy.EndsWith("NetworkTopologyStrategy", StringComparison.Ordinal))
        {
            var datacenters = nodes.GroupBy(node => node.Datacenter).ToList();
            return new Placement(
                datacenters.ToDictionary(dc => dc.Key, dc => Math.Min(Factor(replication, dc.Key), dc.Count())),
                datacenters.ToDictionary(dc => dc.Key, dc => dc.Select(node => node.Rack).Distinct().Count()),
                byDatacenter: true);
        }

        var factor = strategy.EndsWith("SimpleStrategy", StringComparison.Ordinal) ? Factor(replication, "replication_factor") : 1;
        return new Placement(
            new() { [AnyDatacenter] = Math.Min(factor, nodes.Count) }, new() { [AnyDatacenter] = 0 }, byDatacenter: false);
    }

    /// <summary>The replicas of what lies where the walk begins.</summary>
    public IReadOnlyList<CqlNode> Choose(IEnumerable<CqlNode> walk)
    {
        var chosen = new List<CqlNode>();
        var counts = _wanted.ToDictionary(dc => dc.Key, _ => 0);
        var racks = new HashSet<(string, string)>();
        var rackCounts = _wanted.ToDictionary(dc => dc.Key, _ => 0);
        var passedOver = new List<CqlNode>();
        var missing = _wanted.Values.Sum();
        foreach (var node in walk)
        {
            if (missing == 0)
            {
                break;
            }

            var dc = _byDatacenter ? node.Datacenter : AnyDatacenter;
            if (counts[dc] >= _wanted[dc] || chosen.Contains(node) || passedOver.Contains(node))
            {
                continue;
            }

            if (_byDatacenter && rackCounts[dc] < _racks[dc])
            {
                if (!racks.Add((dc, node.Rack)))
                {
                    passedOver.Add(node);
                    continue;
                }

                rackCounts[dc]++;
            }

            Take(node, dc);
            if (_byDatacenter && rackCounts[dc] == _racks[dc])
            {
                // Every rack has one: those that were passed over are next.
                foreach (var next in passedOver.Where(n => n.Datacenter == dc).Take(_wanted[dc] - counts[dc]).ToList())
                {
                    passedOver.Remove(next);
                    Take(next, dc);
                }
            }
        }

        return chosen;

        void Take(CqlNode node, string dc)
        {
            chosen.Add(node);
            counts[dc]++;
            missing--;
        }
    }

    // "3", or "3/1" where one of the three is transient.
    private static int Factor(IReadOnlyDictionary<string, string> replication, string key) =>
        replication.TryGetValue(key, out var factor)
            ? int.Parse(factor.Split('/')[0], CultureInfo.InvariantCulture)
            : 0;
}
