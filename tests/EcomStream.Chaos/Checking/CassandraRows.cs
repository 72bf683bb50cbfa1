using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using EcomStream.Chaos.Runs;

namespace EcomStream.Chaos.Checking;

/// <summary>Reads the tables with the DataStax driver for Node.</summary>
/// <param name="endpoint">host:port of Cassandra.</param>
/// <param name="keyspace">The keyspace.</param>
/// <param name="folder">The folder whose node_modules has cassandra-driver.</param>
/// <param name="workFolder">Where the rows are written to.</param>
internal sealed class CassandraRows(string endpoint, string keyspace, string folder, string workFolder) : IRowReader
{
    public async Task<(IReadOnlyDictionary<long, FactRow> Facts, IReadOnlyList<UnmatchedRow> Unmatched)> ReadAsync(
        long firstOrder, long lastOrder, CancellationToken cancellationToken)
    {
        var file = Path.Combine(workFolder, "rows.jsonl");
        var start = new ProcessStartInfo("node", [Path.Combine(AppContext.BaseDirectory, "outside-client", "rows.cjs"), endpoint, keyspace, file])
        {
            RedirectStandardError = true,
        };
        start.Environment["NODE_PATH"] = Path.Combine(folder, "node_modules");
        using var node = Process.Start(start)!;
        var errors = await node.StandardError.ReadToEndAsync(cancellationToken);
        await node.WaitForExitAsync(cancellationToken);
        if (node.ExitCode != 0)
        {
            throw new ChaosException($"Cassandra's rows cannot be read: {errors}");
        }

        var facts = new Dictionary<long, FactRow>();
        var unmatched = new List<UnmatchedRow>();
        await foreach (var line in File.ReadLinesAsync(file, cancellationToken))
        {
            using var row = JsonDocument.Parse(line);
            var columns = row.RootElement.GetProperty("row").EnumerateArray().Select(value => value.GetString()).ToList();
            var id = long.Parse(columns[0]!, CultureInfo.InvariantCulture);
            if (id < firstOrder || id > lastOrder)
            {
                continue;
            }

            if (row.RootElement.GetProperty("table").GetString() == "facts")
            {
                facts[id] = new FactRow(id, columns[1..]);
            }
            else
            {
                unmatched.Add(new UnmatchedRow(id, columns[1]!, columns[2]!, columns[3]!));
            }
        }

        return (facts, unmatched);
    }
}
