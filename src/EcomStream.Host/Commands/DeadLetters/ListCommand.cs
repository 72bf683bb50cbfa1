using System.CommandLine;
using System.Globalization;
using EcomStream.Core;
using EcomStream.Hosting;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq list</c>.</summary>
internal static class ListCommand
{
    private static readonly string[] _columns = ["id", "state", "reason", "published (UTC)", "detail"];
    private static readonly string[] _csvColumns =
    [
        "id", "order_id", "payment_key", "state", "reason", "published", "since", "changed", "replays", "message_id", "subscription", "detail",
        "data_encoding", "data",
    ];

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var filter = new RowFilter(context);
        var format = OutputFormats.Option();
        var limit = Options.Number("--limit", 50, "Maximum number of rows", least: 1);
        var after = new Option<string?>("--after") { Description = "Continue after the previous page, with the cursor that it printed", HelpName = "cursor" };
        var newest = new Option<bool>("--newest-first") { Description = "Newest publish time first; oldest first when left out" };
        var list = new Command("list", "List payments that wait or were dead-lettered, and malformed messages") { format, limit, after, newest };
        filter.AddTo(list);
        common.AddTo(list);
        return list.Runs(context, async (result, stop) =>
        {
            var query = filter.Read(result) with { After = Cursor(result.GetValue(after)), NewestFirst = result.GetValue(newest) };
            var most = (int)result.GetValue(limit);
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var rows = store.ListUnmatchedAsync(query with { Limit = most == int.MaxValue ? most : most + 1 }, stop);
            await context.Error.WriteLineAsync(await PrintAsync(context, result.GetValue(format), rows, most));
            return Exit.Ok;
        });
    }

    private static UnmatchedCursor? Cursor(string? text) =>
        text is null ? null
        : UnmatchedCursor.TryParse(text, out var cursor) ? cursor
        : throw new UsageException($"--after {text}: must be the cursor that the previous page printed.");

    // Rows are printed while they are read. One more than wanted tells whether there is a next page.
    private static async Task<string> PrintAsync(CommandContext context, OutputFormat format, IAsyncEnumerable<UnmatchedPayment> rows, int most)
    {
        var table = new TextTable(context, _columns);
        if (format == OutputFormat.Csv)
        {
            await context.Out.WriteLineAsync(Csv.Line(_csvColumns));
        }

        var (count, last) = (0, default(UnmatchedCursor));
        var hasMore = false;
        await foreach (var row in rows)
        {
            if (count == most)
            {
                hasMore = true;
                break;
            }

            (count, last) = (count + 1, UnmatchedCursor.Of(row));
            switch (format)
            {
                case OutputFormat.Json:
                    await context.Out.WriteLineAsync(RowJson.Write(row));
                    break;
                case OutputFormat.Csv:
                    await context.Out.WriteLineAsync(Csv.Line(CsvCells(row)));
                    break;
                default:
                    table.Add(Cells(row));
                    break;
            }
        }

        if (format == OutputFormat.Table)
        {
            table.End();
        }

        return hasMore ? $"the first {most}; the next page: --after {last}" : $"{count} in all";
    }

    private static string[] Cells(UnmatchedPayment row) =>
    [
        row.Id,
        row.State.ToText(),
        row.Reason.ToAttribute(),
        Timestamps.Time(row.PublishTimeMicros).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
        row.Detail,
    ];

    private static string[] CsvCells(UnmatchedPayment row)
    {
        var text = PayloadText.Of(row.Data.Span);
        return
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
            text is null ? "base64" : "text",
            text ?? Convert.ToBase64String(row.Data.Span),
        ];
    }
}
