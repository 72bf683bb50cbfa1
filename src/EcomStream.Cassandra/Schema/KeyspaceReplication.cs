using System.Text.RegularExpressions;

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

    /// <summary>As CQL has it.</summary>
    public override string ToString() =>
        $"{{{string.Join(", ", Values().OrderBy(option => option.Key, StringComparer.Ordinal).Select(option => $"'{option.Key}': '{option.Value}'").Prepend($"'{Class}': '{Strategy}'"))}}}";

    private Dictionary<string, string> Values() => Options.Where(option => option.Key != Class).ToDictionary();

    [GeneratedRegex(@"'(?<name>[^']*)'\s*:\s*'?(?<value>[^',}\s]*)'?")]
    private static partial Regex Option();
}
