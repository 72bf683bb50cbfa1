using System.Text.RegularExpressions;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tests.InMemory;

/// <summary>A statement of the store, of the few forms that it has, and the columns of its parameters in order.</summary>
internal sealed partial class InMemoryStatement : IStatement
{
    public const string Timestamp = "@timestamp";
    public const string Ttl = "@ttl";

    public InMemoryStatement(string cql)
    {
        Cql = cql;
        if (Insert().Match(cql) is { Success: true } insert)
        {
            (Kind, Table) = ("INSERT", insert.Groups["table"].Value);
            Parameters = [.. Names(insert.Groups["columns"].Value), Timestamp, .. insert.Groups["ttl"].Success ? [Ttl] : Array.Empty<string>()];
        }
        else if (Update().Match(cql) is { Success: true } update)
        {
            (Kind, Table) = ("UPDATE", update.Groups["table"].Value);
            Parameters =
            [
                Timestamp, .. update.Groups["ttl"].Success ? [Ttl] : Array.Empty<string>(),
                .. Marked(update.Groups["set"].Value), .. Marked(update.Groups["where"].Value),
            ];
        }
        else if (Delete().Match(cql) is { Success: true } delete)
        {
            (Kind, Table) = ("DELETE", delete.Groups["table"].Value);
            Parameters = [Timestamp, .. Marked(delete.Groups["where"].Value)];
        }
        else if (Select().Match(cql) is { Success: true } select)
        {
            (Kind, Table) = ("SELECT", select.Groups["table"].Value);
            Columns = [.. Names(select.Groups["columns"].Value)];
            Parameters = [.. Marked(select.Groups["where"].Value)];
            Bounds = [.. Bound().Matches(select.Groups["where"].Value).Select(m => (Names(m.Groups["columns"].Value), m.Groups["operator"].Value))];
            IsReversed = cql.Contains(" DESC", StringComparison.Ordinal);
            HasLimit = cql.EndsWith("LIMIT ?", StringComparison.Ordinal);
            Literals = Literal().Matches(select.Groups["where"].Value).ToDictionary(m => m.Groups["column"].Value, m => m.Groups["value"].Value);
            IsFiltering = cql.EndsWith("ALLOW FILTERING", StringComparison.Ordinal);
        }
        else
        {
            throw new NotSupportedException($"The in-memory client does not know '{cql}'.");
        }
    }

    public string Cql { get; }

    /// <summary>INSERT, UPDATE, DELETE or SELECT.</summary>
    public string Kind { get; }

    /// <summary>keyspace.table.</summary>
    public string Table { get; }

    /// <summary>The column of each bind marker.</summary>
    public string[] Parameters { get; }

    /// <summary>What a SELECT returns: a column, or writetime(column).</summary>
    public string[] Columns { get; } = [];

    /// <summary>The columns that a SELECT compares with a text.</summary>
    public IReadOnlyDictionary<string, string> Literals { get; } = new Dictionary<string, string>();

    /// <summary>The tuples of columns that a SELECT compares with tuples of bind markers, which follow those of <see cref="Parameters"/>.</summary>
    public (string[] Columns, string Operator)[] Bounds { get; } = [];

    /// <summary>Whether a SELECT returns its rows in the reverse of their order.</summary>
    public bool IsReversed { get; }

    /// <summary>Whether the last bind marker is that of LIMIT.</summary>
    public bool HasLimit { get; }

    /// <summary>Whether it says ALLOW FILTERING.</summary>
    public bool IsFiltering { get; }

    private static string[] Names(string list) => list.Split(',', StringSplitOptions.TrimEntries);

    private static IEnumerable<string> Marked(string conditions) => Marker().Matches(conditions).Select(m => m.Groups["column"].Value);

    [GeneratedRegex(@"^INSERT INTO (?<table>\S+) \((?<columns>[^)]*)\) VALUES \([^)]*\) USING TIMESTAMP \?(?<ttl> AND TTL \?)?$")]
    private static partial Regex Insert();

    [GeneratedRegex(@"^UPDATE (?<table>\S+) USING TIMESTAMP \?(?<ttl> AND TTL \?)? SET (?<set>.*) WHERE (?<where>.*)$")]
    private static partial Regex Update();

    [GeneratedRegex(@"^DELETE (\w+ )?FROM (?<table>\S+) USING TIMESTAMP \? WHERE (?<where>.*)$")]
    private static partial Regex Delete();

    [GeneratedRegex(@"^SELECT (?<columns>.*) FROM (?<table>\S+) WHERE (?<where>.*)$")]
    private static partial Regex Select();

    [GeneratedRegex(@"(?<column>\w+) (=|IN) \?")]
    private static partial Regex Marker();

    [GeneratedRegex(@"\((?<columns>[^)]*)\) (?<operator>[<>]) \([?, ]*\)")]
    private static partial Regex Bound();

    [GeneratedRegex(@"(?<column>\w+) = '(?<value>[^']*)'")]
    private static partial Regex Literal();
}
