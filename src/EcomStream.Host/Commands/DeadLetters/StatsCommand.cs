using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq stats</c>: how many rows there are, by hour and reason.</summary>
internal static class StatsCommand
{
    private static readonly UnmatchedState[] _states = Enum.GetValues<UnmatchedState>();
    private static readonly string[] _columns = ["published (UTC)", "reason", .. _states.Select(state => state.ToText()), "all"];

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var filter = new RowFilter(context);
        var format = OutputFormats.Option();
        var stats = new Command("stats", "Count rows by hour of publish time (UTC) and reason") { format };
        filter.AddTo(stats);
        common.AddTo(stats);
        return stats.Runs(context, async (result, stop) =>
        {
            var query = filter.Read(result);
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var rows = (await store.CountUnmatchedAsync(query, stop))
                .GroupBy(count => (count.HourMicros, count.Reason))
                .OrderBy(group => group.Key)
                .Select(group => (Hour: group.Key.HourMicros, Reason: group.Key.Reason.ToAttribute(), Counts: Counts(group)))
                .ToList();
            Print(context, result.GetValue(format), rows);
            return Exit.Ok;
        });
    }

    private static long[] Counts(IEnumerable<UnmatchedCount> group)
    {
        var counts = new long[_states.Length];
        foreach (var count in group)
        {
            counts[(int)count.State] += count.Rows;
        }

        return counts;
    }

    private static void Print(CommandContext context, OutputFormat format, List<(long Hour, string Reason, long[] Counts)> rows)
    {
        switch (format)
        {
            case OutputFormat.Json:
                foreach (var (hour, reason, counts) in rows)
                {
                    var line = new Dictionary<string, object> { ["hour"] = Timestamps.Rfc3339(hour), ["reason"] = reason };
                    foreach (var state in _states)
                    {
                        line[state.ToText()] = counts[(int)state];
                    }

                    context.Out.WriteLine(JsonSerializer.Serialize(line));
                }

                break;
            case OutputFormat.Csv:
                context.Out.WriteLine(Csv.Line(["hour", .. _columns[1..]]));
                foreach (var (hour, reason, counts) in rows)
                {
                    context.Out.WriteLine(Csv.Line(Cells(Timestamps.Rfc3339(hour), reason, counts)));
                }

                break;
            default:
                var table = new TextTable(context, _columns);
                foreach (var (hour, reason, counts) in rows)
                {
                    table.Add(Cells(Timestamps.Time(hour).ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), reason, counts));
                }

                table.Add(Cells("all", "", [.. _states.Select(state => rows.Sum(row => row.Counts[(int)state]))]));
                table.End();
                break;
        }
    }

    private static string[] Cells(string hour, string reason, long[] counts) =>
        [hour, reason, .. counts.Append(counts.Sum()).Select(count => count.ToString(CultureInfo.InvariantCulture))];
}
