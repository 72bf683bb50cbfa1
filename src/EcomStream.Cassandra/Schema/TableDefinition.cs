using System.Text.RegularExpressions;

namespace EcomStream.Cassandra.Schema;

/// <summary>A column.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type, as CQL writes it.</param>
/// <param name="Kind">partition_key, clustering, regular or static, as system_schema.columns has it.</param>
/// <param name="Position">Its place within the partition key or the clustering columns; -1 for the others.</param>
internal sealed record ColumnDefinition(string Name, string Type, string Kind, int Position)
{
    public override string ToString() => Kind == "regular" ? $"{Type}" : $"{Type} ({Kind.Replace('_', ' ')} {Position})";
}

/// <summary>A table: what the schema file asks for, or what a cluster has.</summary>
internal sealed partial record TableDefinition(string Name, IReadOnlyList<ColumnDefinition> Columns)
{
    /// <summary>
    /// Reads a CREATE TABLE of our schema file: columns with simple types, and the primary key behind one of them or
    /// in a clause of its own.
    /// </summary>
    public static TableDefinition Parse(string statement)
    {
        var head = Head().Match(statement);
        var body = statement[(head.Index + head.Length)..statement.LastIndexOf(')')];
        var key = Key().Match(body);
        var partition = new List<string>();
        var clustering = new List<string>();
        if (key.Success)
        {
            partition.AddRange(Names(key.Groups["partition"].Value));
            clustering.AddRange(Names(key.Groups["clustering"].Value));
            body = body[..key.Index];
        }

        var columns = new List<ColumnDefinition>();
        foreach (var line in Names(body))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is [_, _, "PRIMARY", "KEY"])
            {
                partition.Add(words[0]);
            }

            columns.Add(new ColumnDefinition(words[0], words[1], "regular", -1));
        }

        return new TableDefinition(head.Groups["name"].Value, [.. columns.Select(column =>
            partition.IndexOf(column.Name) is var p and >= 0 ? column with { Kind = "partition_key", Position = p }
            : clustering.IndexOf(column.Name) is var c and >= 0 ? column with { Kind = "clustering", Position = c }
            : column)]);

        static IEnumerable<string> Names(string list) =>
            list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>How another table differs from this one, one line each.</summary>
    public IEnumerable<string> Differences(TableDefinition actual)
    {
        var found = actual.Columns.ToDictionary(column => column.Name);
        foreach (var expected in Columns)
        {
            if (!found.Remove(expected.Name, out var column))
            {
                yield return $"{Name} lacks the column {expected.Name} {expected}";
            }
            else if (column != expected)
            {
                yield return $"{Name} has the column {expected.Name} as {column}, and it must be {expected}";
            }
        }

        // Another program's columns are its own; one more in the key makes it another table.
        foreach (var extra in found.Values.Where(column => column.Kind is "partition_key" or "clustering"))
        {
            yield return $"{Name} has the unknown key column {extra.Name} {extra}";
        }
    }

    [GeneratedRegex(@"CREATE TABLE IF NOT EXISTS \w+\.(?<name>\w+) \(")]
    private static partial Regex Head();

    [GeneratedRegex(@"PRIMARY KEY \(\((?<partition>[^)]*)\)(?<clustering>[^)]*)\)")]
    private static partial Regex Key();
}
