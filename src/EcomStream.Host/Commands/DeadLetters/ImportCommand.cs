using System.CommandLine;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq import FILE</c>: rows that export wrote, perhaps mended by hand.</summary>
internal static class ImportCommand
{
    private const int BatchSize = 500;

    public static Command Create()
    {
        var common = new CommonOptions();
        var file = new Argument<FileInfo>("file") { Description = "JSON lines, as export writes them" };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace rows that are there, too" };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only check the file and say how many there are" };
        var import = new Command("import", "Read rows that export wrote; a running pipeline learns of them with its next full sweep") { file, overwrite, dryRun };
        common.AddTo(import);
        import.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var rows = await ReadAsync(result.GetValue(file)!, stop);
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var (written, kept) = (0, 0);
            foreach (var batch in rows.Chunk(BatchSize))
            {
                var there = result.GetValue(overwrite)
                    ? []
                    : (await store.ReadUnmatchedAsync([.. batch.Select(row => row.OrderId)], stop)).Select(row => (row.OrderId, row.PaymentKey)).ToHashSet();
                var missing = batch.Where(row => !there.Contains((row.OrderId, row.PaymentKey))).ToList();
                if (!result.GetValue(dryRun))
                {
                    await store.WriteUnmatchedAsync(missing, stop);
                }

                written += missing.Count;
                kept += batch.Length - missing.Count;
            }

            Console.WriteLine($"{(result.GetValue(dryRun) ? "would import" : "imported")} {written}, {kept} are there already");
            return Exit.Ok;
        }));
        return import;
    }

    // The whole file before anything is written: half an import would be hard to take back.
    private static async Task<List<UnmatchedPayment>> ReadAsync(FileInfo file, CancellationToken stop)
    {
        var rows = new List<UnmatchedPayment>();
        var number = 0;
        try
        {
            await foreach (var line in File.ReadLinesAsync(file.FullName, stop))
            {
                number++;
                if (!string.IsNullOrWhiteSpace(line))
                {
                    rows.Add(RowJson.Read(line));
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
