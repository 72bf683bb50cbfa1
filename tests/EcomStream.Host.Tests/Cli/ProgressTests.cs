using System.Diagnostics;
using EcomStream.Host.Cli;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Host.Tests.Cli;

public sealed class ProgressTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly StringWriter _error = new() { NewLine = "\n" };

    [Fact]
    public void Into_a_file_goes_a_line_every_five_seconds_with_rate_and_remaining_time()
    {
        using (var progress = new ProgressReport(Context(rewrites: false), "replayed", 1_000))
        {
            for (var second = 1; second <= 10; second++)
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                progress.Report(second * 100);
            }
        }

        _error.ToString().ShouldBe("replayed 500 of 1000 (100/s, 0:00:05 left)\n");
    }

    [Fact]
    public void On_a_terminal_one_line_is_rewritten_cut_to_the_width_and_removed_in_the_end()
    {
        using (var progress = new ProgressReport(Context(rewrites: true), "exported", total: null))
        {
            for (var step = 1; step <= 3; step++)
            {
                _time.Advance(TimeSpan.FromMilliseconds(250));
                progress.Report(step * 1_000_000_000L);
            }
        }

        _error.ToString().ShouldNotContain("\n");
        var shown = _error.ToString().Split("\r\u001b[K");
        shown.Length.ShouldBe(5);
        shown[1].ShouldBe("exported 1000000000");
        shown[^1].ShouldBeEmpty();
    }

    [Fact]
    public async Task A_command_whose_reader_has_ended_stops_reading_and_is_code_141()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        const int Rows = 5_000;
        await using var folder = await StoreFolder.CreateAsync([.. Enumerable.Range(1, Rows).Select(id => StoreFolder.Dead(id))]);
        var program = Path.Combine(AppContext.BaseDirectory, "ecomstream.dll");
        foreach (var command in new[] { "export", $"list --limit {Rows} --format json", $"list --limit {Rows}" })
        {
            var start = new ProcessStartInfo("bash", ["-c", $"dotnet '{program}' dlq {command} --data '{folder.Path}' | head -n 1 >&2; echo ${{PIPESTATUS[0]}}"])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            };
            using var process = Process.Start(start)!;
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
            var (output, error) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
            await process.WaitForExitAsync(deadline.Token);
            (await output).Trim().ShouldBe("141", command + await error);
            (await error).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(1, await error);
        }
    }

    private CommandContext Context(bool rewrites) =>
        new() { Out = TextWriter.Null, Error = _error, In = TextReader.Null, Time = _time, RewritesErrors = rewrites, Width = 20 };
}
