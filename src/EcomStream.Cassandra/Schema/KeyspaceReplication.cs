using System.Text.RegularExpressions;
using EcomStream.Cql;

namespace EcomStream.Cassandra.Schema;

/// <summary>The replication of a keyspace: what the settings ask for, or what a cluster has.</summary>
/// <param name="Options">Its options, as system_schema.keyspaces has them; empty where the keyspace does not exist.</param>
internal sealed partial record KeyspaceReplication(IReadOnlyDictionary<string, string> Options)
{
    private const string Class = "class";
    private const string Factor = "replication_factor";

    /// <summary>The strategy without its package.</summary>
    public string Strategy => Options.GetValueOrDefault(Class, "").Split('.')[^1];

    /// <summary>Reads a map as CQL has it, such as <c>{'class': 'NetworkTopologyStrategy', 'dc1': 3}</c>.</summary>
    public static KeyspaceReplication Parse(string map) =>
        new(Option().Matches(map).ToDictionary(option => option.Groups["name"].Value, option => option.Groups["value"].Value));

    /// <summary>
    /// Whether a keyspace that was made with this replication has the other one. Cassandra keeps NetworkTopologyStrategy's
    /// replication_factor as the factor of each datacenter that there is and that is not named.
    /// </summary>
    public bool Gives(KeyspaceReplication actual)
    {
        if (!Strategy.Equals(actual.Strategy, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var expected = Values();
        if (Strategy.Equals("NetworkTopologyStrategy", StringComparison.OrdinalIgnoreCase) && expected.Remove(Factor, out var factor))
        {
            foreach (var datacenter in actual.Values().Keys)
            {
                expected.TryAdd(datacenter, factor);
            }
        }

        return expected.Count == actual.Values().Count && expected.All(option => actual.Options.GetValueOrDefault(option.Key) == option.Value);
    }

    /// <summary>
    /// How many replicas a read at a consistency level may ask without any of those that confirmed a write at the same
    /// level. A guarded payment, a heal and an order's row are reads of what was written before: they must see it.
    /// </summary>
    /// <param name="level">The level of reads and writes.</param>
    /// <param name="localDatacenter">The datacenter whose nodes are used; empty where the cluster has one.</param>
    /// <returns>All replicas and those that confirm, where they are too few; null where every read sees every write.</returns>
    public (int Replicas, int Confirming)? MissedBy(Consistency level, string localDatacenter)
    {
        var factors = Values().Select(option => (option.Key, Factor: int.TryParse(option.Value.Split('/')[0], out var factor) ? factor : 0)).ToList();
        var isLocal = level is Consistency.LocalOne or Consistency.LocalQuorum or Consistency.EachQuorum;
        var replicas = !isLocal ? factors.Sum(option => option.Factor)
            : factors.FirstOrDefault(option => option.Key == localDatacenter).Factor is var local and > 0 ? local
            : factors.Select(option => option.Factor).DefaultIfEmpty().Max();
        var confirming = level switch
        {
            Consistency.One or Consistency.LocalOne => 1,
            Consistency.Two => 2,
            Consistency.Three => 3,
            Consistency.All => replicas,
            _ => (replicas / 2) + 1,
        };
        return 2 * confirming <= replicas ? (replicas, confirming) : null;
    }

    /// <summary>As CQL has it.</summary>
    public override string ToString() =>
        $"{{{string.Join(", ", Values().OrderBy(option => option.Key, StringComparer.Ordinal).Select(option => $"'{option.Key}': '{option.Value}'").Prepend($"'{Class}': '{Strategy}'"))}}}";

    private Dictionary<string, string> Values() => Options.Where(option => option.Key != Class).ToDictionary();

    [GeneratedRegex(@"'(?<name>[^']*)'\s*:\s*'?(?<value>[^',}\s]*)'?")]
    private static partial Regex Option();
}
