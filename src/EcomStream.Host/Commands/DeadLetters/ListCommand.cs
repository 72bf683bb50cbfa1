using System.CommandLine;
using System.Globalization;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq list</c>.</summary>
internal static class ListCommand
{
    private static readonly string[] _columns = ["id", "state", "reason", "published", "since", "replays", "detail"];
    private static readonly string[] _csvColumns =
        ["id", "order_id", "payment_key", "state", "reason", "published", "since", "changed", "replays", "message_id", "subscription", "detail", "data"];

    public static Command Create()
    {
        var common = new CommonOptions();
        var filter = new RowFilter();
        var format = new Option<RowFormat>("--format", "-f") { Description = "table, json (an object per line) or csv" };
        var limit = new Option<int>("--limit") { Description = "At most so many", DefaultValueFactory = _ => 50 };
        var after = new Option<string?>("--after") { Description = "Go on behind the page before; it says where" };
        var list = new Command("list", "List payments that wait or were dead-lettered, and malformed messages, oldest first") { format, limit, after };
        filter.AddTo(list, withState: true);
        common.AddTo(list);
        list.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var query = filter.Read(result) with { After = Cursor(result.GetValue(after)) };
            var most = result.GetValue(limit);
            if (most < 1)
            {
                throw new UsageException("--limit must be 1 or more.");
            }

            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var rows = await store.ListUnmatchedAsync(query with { Limit = most == int.MaxValue ? most : most + 1 }, stop).ToListAsync(stop);
            var hasMore = rows.Count > most;
            Print(result.GetValue(format), hasMore ? rows[..most] : rows);
            var summary = hasMore ? $"the first {most}; go on with --after {UnmatchedCursor.Of(rows[most - 1])}" : $"{rows.Count} in all";
            await (result.GetValue(format) == RowFormat.Table ? Console.Out : Console.Error).WriteLineAsync(summary);
            return Exit.Ok;
        }));
        return list;
    }

    private static UnmatchedCursor? Cursor(string? text) =>
        text is null ? null
        : UnmatchedCursor.TryParse(text, out var cursor) ? cursor
        : throw new UsageException($"--after {text}: it must be what the page before said.");

    private static void Print(RowFormat format, IReadOnlyList<UnmatchedPayment> rows)
    {
        switch (format)
        {
            case RowFormat.Json:
                foreach (var row in rows)
                {
                    Console.WriteLine(RowJson.Write(row));
                }

                break;
            case RowFormat.Csv:
                RowWriters.Write(format, _csvColumns, rows.Select(CsvCells));
                break;
            default:
                RowWriters.Write(format, _columns, rows.Select(Cells));
                break;
        }
    }

    private static string[] Cells(UnmatchedPayment row) =>
    [
        row.Id,
        row.State.ToText(),
        row.Reason.ToAttribute(),
        RowWriters.Time(row.PublishTimeMicros),
        RowWriters.Time(row.SinceMicros),
        row.Replays.ToString(CultureInfo.InvariantCulture),
        row.Detail,
    ];

    private static string[] CsvCells(UnmatchedPayment row) =>
    [
        row.Id,
        row.IsMessage ? "" : row.OrderId.ToString(CultureInfo.InvariantCulture),
        row.IsMessage ? "" : row.PaymentKey,
        row.State.ToText(),
        row.Reason.ToAttribute(),
        Timestamps.Rfc3339(row.PublishTimeMicros),
        Timestamps.Rfc3339(row.SinceMicros),
        Timestamps.Rfc3339(row.ChangedMicros),
        row.Replays.ToString(CultureInfo.InvariantCulture),
        row.MessageId,
        row.Subscription,
        row.Detail,
        RowJson.TextOf(row.Data.Span) ?? Convert.ToBase64String(row.Data.Span),
    ];
}
