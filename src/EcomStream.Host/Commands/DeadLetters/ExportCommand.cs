using System.CommandLine;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq export</c>: all rows as JSON lines.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var common = new CommonOptions();
        var filter = new RowFilter();
        var output = new Option<FileInfo?>("--output", "-o") { Description = "File to write; standard output when left out" };
        var export = new Command("export", "Write them with everything as JSON, one per line, for import") { output };
        filter.AddTo(export, withState: true);
        common.AddTo(export);
        export.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var query = filter.Read(result);
            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var file = result.GetValue(output);
            var rows = 0;
            await using (var writer = file is null ? null : Create(file))
            {
                await foreach (var row in store.ListUnmatchedAsync(query, stop))
                {
                    await (writer ?? Console.Out).WriteLineAsync(RowJson.Write(row));
                    rows++;
                }
            }

            await Console.Error.WriteLineAsync($"exported {rows}");
            return Exit.Ok;
        }));
        return export;
    }

    private static StreamWriter Create(FileInfo file)
    {
        try
        {
            return new StreamWriter(file.Open(FileMode.Create, FileAccess.Write));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--output {file}: {error.Message}");
        }
    }
}
