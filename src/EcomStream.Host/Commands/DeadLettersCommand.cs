using System.CommandLine;
using System.Globalization;
using EcomStream.Core;
using Spectre.Console;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream dlq list</c>: payments that wait for their order or were dead-lettered.</summary>
internal static class DeadLettersCommand
{
    public static Command Create()
    {
        var common = new CommonOptions();
        var reason = new Option<string?>("--reason") { Description = "Only these: no-matching-order, superseded, store-rejected" };
        var state = new Option<UnmatchedState?>("--state") { Description = "Only these: Waiting, DeadLettered, Healed, Discarded" };
        var limit = new Option<int>("--limit") { Description = "At most so many", DefaultValueFactory = _ => 50 };
        var list = new Command("list", "List payments that wait or were dead-lettered, oldest first") { reason, state, limit };
        common.AddTo(list);
        list.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            DeadLetterReason? only = null;
            if (result.GetValue(reason) is { } text)
            {
                only = DeadLetterReasons.TryParse(text, out var parsed)
                    ? parsed
                    : throw new UsageException($"--reason {text}: it must be one of {string.Join(", ", Enum.GetValues<DeadLetterReason>().Select(r => r.ToAttribute()))}.");
            }

            var settings = common.Read(result);
            await using var store = await StoreAccess.OpenAsync(settings, stop);
            var query = new UnmatchedQuery { Reason = only, State = result.GetValue(state), Limit = result.GetValue(limit) };
            var table = new Table().Border(TableBorder.Simple)
                .AddColumns("order", "payment", "state", "reason", "published", "since", "detail");
            var rows = 0;
            await foreach (var row in store.ListUnmatchedAsync(query, stop))
            {
                rows++;
                table.AddRow(
                    row.OrderId.ToString(CultureInfo.InvariantCulture),
                    Markup.Escape(row.PaymentKey),
                    row.State.ToString(),
                    row.Reason.ToAttribute(),
                    Time(row.PublishTimeMicros),
                    Time(row.SinceMicros),
                    Markup.Escape(row.Detail));
            }

            if (Console.IsOutputRedirected)
            {
                // Whoever reads a pipe has no window to fit lines into.
                AnsiConsole.Profile.Width = 200;
            }

            AnsiConsole.Write(table);
            Console.WriteLine(rows == query.Limit ? $"the first {rows}; --limit shows more" : $"{rows} in all");
            return Exit.Ok;
        }));
        return new Command("dlq", "Look at unmatched payments") { list };
    }

    private static string Time(long micros) =>
        DateTimeOffset.UnixEpoch.AddTicks(micros * TimeSpan.TicksPerMicrosecond).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
