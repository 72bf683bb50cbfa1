using System.CommandLine;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq export</c>: rows with everything, as JSON lines.</summary>
internal static class ExportCommand
{
    private const string Standard = "-";

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var filter = new RowFilter(context);
        var output = new Option<string>("--output", "-o")
        {
            Description = "File to write; it appears when it is complete. - for standard output",
            HelpName = "file",
            DefaultValueFactory = _ => Standard,
        };
        var export = new Command("export", "Write complete rows as JSON, one per line, for import") { output };
        filter.AddTo(export);
        common.AddTo(export);
        return export.Runs(context, async (result, stop) =>
        {
            var query = filter.Read(result);
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var file = result.GetValue(output)!;
            using var whole = file == Standard ? null : WholeFile.Create(file);
            var rows = 0L;
            try
            {
                // Counting the rows first would read them twice in Cassandra.
                // Rows on a terminal show the progress themselves.
                using var progress = whole is null && context.IsTerminal ? null : new ProgressReport(context, "exported", total: null);
                await foreach (var row in store.ListUnmatchedAsync(query, stop).WithCancellation(stop))
                {
                    stop.ThrowIfCancellationRequested();
                    await (whole?.Writer ?? context.Out).WriteLineAsync(RowJson.Write(row));
                    rows++;
                    progress?.Report(rows);
                }

                if (whole is not null)
                {
                    await whole.CompleteAsync(stop);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                throw new CommandInterruptedException($"exported {rows} rows so far{(whole is null ? "" : $"; {file} was not written")}");
            }

            await context.Error.WriteLineAsync($"exported {rows}");
            return Exit.Ok;
        });
    }
}
