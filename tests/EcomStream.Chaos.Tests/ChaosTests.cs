using EcomStream.Chaos.Faults;
using EcomStream.Chaos.Fuzzing;
using EcomStream.Chaos.Runs;
using EcomStream.TestSupport;

namespace EcomStream.Chaos.Tests;

/// <summary>A short run of the two programs, shorter without ECOMSTREAM_TEST_FULL. docs/reliability.md has the commands of the long ones.</summary>
public sealed class ChaosTests : IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"ecomstream-chaos-{Guid.NewGuid():n}");
    private readonly StringWriter _output = new();

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public async Task Kills_of_host_and_broker_lose_nothing_and_make_no_wrong_row_and_no_false_dead_letter()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(8));
        var isRight = await new ChaosRun(
            new ChaosOptions
            {
                Directory = _folder,
                Seed = 20261126,
                Kills = TestSize.Of(full: 60, part: 10),
                RoundsPerCheckpoint = 45,
                OrdersPerSecond = 100,
                Grace = TimeSpan.FromSeconds(2),
                Faults = new FaultBounds(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3), FaultBounds.MostlyKills),
            },
            _output).RunAsync(deadline.Token);
        isRight.ShouldBeTrue(_output.ToString());
    }

    // Another seed each day, so that inputs that were not tried before are; a failure prints it.
    private static int SeedOfTheDay => DateTime.UtcNow.DayOfYear;

    [Fact]
    public async Task Inputs_of_two_seeds_find_no_crash_no_hang_and_no_undocumented_error() =>
        (await FuzzCommand.RunAsync(seed: 1, TestSize.Of(full: 70_000, part: 14_000), _output) && await FuzzCommand.RunAsync(SeedOfTheDay, TestSize.Of(full: 30_000, part: 6_000), _output))
            .ShouldBeTrue(_output.ToString());
}
