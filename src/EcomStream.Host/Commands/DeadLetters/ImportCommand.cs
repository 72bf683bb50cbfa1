using System.CommandLine;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq import FILE</c>: rows that export wrote, perhaps mended by hand.</summary>
internal static class ImportCommand
{
    private const int BatchSize = 200;
    private const int ListedConflicts = 20;

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var file = new Argument<string>("file") { Description = "JSON lines, as export writes them; - for standard input" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace stored rows that have not changed since the export" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing; check the file and print what would be done" };
        var import = new Command("import", "Read rows that export wrote; a running pipeline processes them in its next full sweep") { file, overwrite, dryRun };
        common.AddTo(import);
        return import.Runs(context, async (result, stop) =>
        {
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var rows = await ReadAsync(context, result.GetValue(file)!, stop);
            var importer = new Importer(store, result.GetValue(overwrite), result.GetValue(dryRun), Timestamps.Micros(context.Time.GetUtcNow()));
            var done = 0;
            try
            {
                using var progress = new ProgressReport(context, "imported", rows.Count);
                foreach (var batch in rows.Chunk(BatchSize))
                {
                    stop.ThrowIfCancellationRequested();
                    await importer.WriteAsync(batch, stop);
                    done += batch.Length;
                    progress.Report(done);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                throw new CommandInterruptedException($"handled {done} of {rows.Count}: {Summary(importer)}");
            }

            await context.Out.WriteLineAsync($"{(result.GetValue(dryRun) ? "would import" : "imported")} {Summary(importer)}");
            await ReportAsync(context, importer);
            return importer.Conflicts.Count == 0 ? Exit.Ok : Exit.Failed;
        });
    }

    private static string Summary(Importer importer) =>
        $"{importer.Added + importer.Replaced} ({importer.Added} new, {importer.Replaced} replaced), {importer.Same + importer.Kept} are there already"
        + (importer.Kept > 0 ? $", of which {importer.Kept} differ and were kept (--overwrite replaces them)" : "");

    private static async Task ReportAsync(CommandContext context, Importer importer)
    {
        foreach (var (id, target) in importer.Moving)
        {
            await context.Error.WriteLineAsync($"{id} names {target} now; it is discarded until 'dlq replay {id}' moves it.");
        }

        foreach (var id in importer.Conflicts.Take(ListedConflicts))
        {
            await context.Error.WriteLineAsync($"{id} was not imported: it waits for its order, it has changed since the export, or its state, history, replays or times were edited. Export it again when it is dead-lettered.");
        }

        if (importer.Conflicts.Count > ListedConflicts)
        {
            await context.Error.WriteLineAsync($"{importer.Conflicts.Count - ListedConflicts} more were not imported for the same reason.");
        }
    }

    // The whole file before anything is written: half an import would be hard to take back.
    private static async Task<List<UnmatchedPayment>> ReadAsync(CommandContext context, string file, CancellationToken stop)
    {
        var rows = new List<UnmatchedPayment>();
        var ids = new HashSet<string>();
        var number = 0;
        try
        {
            using var opened = file == "-" ? null : new StreamReader(file);
            while (await (opened ?? context.In).ReadLineAsync(stop) is { } line)
            {
                number++;
                if (!string.IsNullOrWhiteSpace(line))
                {
                    var row = RowJsonReader.Read(line);
                    rows.Add(ids.Add(row.Id) ? row : throw new FormatException($"{row.Id} occurs twice"));
                }
            }

            return rows;
        }
        catch (FormatException wrong)
        {
            throw new UsageException($"{file}, line {number}: {wrong.Message}. Nothing was imported.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{file}: {error.Message}");
        }
    }
}
