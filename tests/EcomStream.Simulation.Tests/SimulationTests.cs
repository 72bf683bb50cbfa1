using System.Diagnostics;
using System.Globalization;
using EcomStream.TestSupport;

namespace EcomStream.Simulation.Tests;

/// <summary>Runs the simulation as the program that it is: it needs the one thread of its own pool.</summary>
public sealed class SimulationTests
{
    private const int Workers = 2;

    private static readonly TimeSpan _longest = TimeSpan.FromMinutes(8);

    [Fact]
    public async Task The_seeds_from_1_on_find_nothing() =>
        ShouldFindNothing(await RunAsync("--from", "1", "--seeds", Text(TestSize.Of(full: 9_000, part: 900)), "--workers", Text(Workers)));

    [Fact]
    public async Task The_seeds_of_this_day_find_nothing()
    {
        // Other seeds every day, the same all day long.
        var day = DateOnly.FromDateTime(DateTime.UtcNow).DayNumber;
        ShouldFindNothing(await RunAsync("--from", Text(1_000_000 + (day % 100_000 * 1_000)), "--seeds", Text(TestSize.Of(full: 1_000, part: 100)), "--workers", Text(Workers)));
    }

    [Fact]
    public async Task A_hundred_seeds_have_the_same_trace_twice() =>
        ShouldFindNothing(await RunAsync("--from", "1", "--seeds", "100", "--repeat"));

    [Fact]
    public async Task Every_process_has_the_same_trace()
    {
        var first = await RunAsync("--seed", "7");
        first.Output.ShouldContain("trace ");
        (await RunAsync("--seed", "7")).ShouldBe(first);
    }

    [Fact]
    public async Task A_trace_shows_what_was_published_delivered_and_written()
    {
        var (_, output) = await RunAsync("--seed", "1", "--trace");
        output.ShouldContain("the shop publishes");
        output.ShouldContain("arrive");
        output.ShouldContain("store: write");
    }

    private static void ShouldFindNothing((int ExitCode, string Output) run) => run.ExitCode.ShouldBe(0, run.Output);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "EcomStream.Simulation.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(_longest);
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
            await process.WaitForExitAsync(deadline.Token);
            return (process.ExitCode, await output + await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"The simulation {string.Join(' ', arguments)} did not end within {_longest.TotalMinutes:0} min.");
        }
    }
}
