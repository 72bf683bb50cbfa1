using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq stats</c>: how many there are, by hour and reason.</summary>
internal static class StatsCommand
{
    private static readonly UnmatchedState[] _states = Enum.GetValues<UnmatchedState>();
    private static readonly string[] _columns = ["hour", "reason", .. _states.Select(state => state.ToText()), "all"];

    public static Command Create()
    {
        var common = new CommonOptions();
        var filter = new RowFilter();
        var format = new Option<RowFormat>("--format", "-f") { Description = "table, json (an object per line) or csv" };
        var stats = new Command("stats", "Count them by the hour since when they are here (UTC), and by reason") { format };
        filter.AddTo(stats, withState: false);
        common.AddTo(stats);
        stats.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var counts = new SortedDictionary<(string Hour, string Reason), long[]>();
            var all = new long[_states.Length];
            await foreach (var row in store.ListUnmatchedAsync(filter.Read(result), stop))
            {
                var key = (Timestamps.Time(row.SinceMicros).ToString("yyyy-MM-dd HH:00", CultureInfo.InvariantCulture), row.Reason.ToAttribute());
                if (!counts.TryGetValue(key, out var count))
                {
                    counts.Add(key, count = new long[_states.Length]);
                }

                count[(int)row.State]++;
                all[(int)row.State]++;
            }

            Print(result.GetValue(format), counts, all);
            return Exit.Ok;
        }));
        return stats;
    }

    private static void Print(RowFormat format, IReadOnlyDictionary<(string Hour, string Reason), long[]> counts, long[] all)
    {
        if (format == RowFormat.Json)
        {
            foreach (var ((hour, reason), count) in counts)
            {
                var line = new Dictionary<string, object> { ["hour"] = hour, ["reason"] = reason };
                foreach (var state in _states)
                {
                    line[state.ToText()] = count[(int)state];
                }

                Console.WriteLine(JsonSerializer.Serialize(line));
            }

            return;
        }

        var rows = counts.Select(row => Cells(row.Key.Hour, row.Key.Reason, row.Value));
        RowWriters.Write(format, _columns, format == RowFormat.Table ? rows.Append(Cells("all", "", all)) : rows);
    }

    private static string[] Cells(string hour, string reason, long[] counts) =>
        [hour, reason, .. counts.Append(counts.Sum()).Select(count => count.ToString(CultureInfo.InvariantCulture))];
}
