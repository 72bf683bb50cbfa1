namespace EcomStream.EndToEnd.Tests;

/// <summary>The same program on Google's own emulator: nothing of the pipeline depends on the embedded broker.</summary>
public sealed class EmulatorTests
{
    private const string Variable = "ECOMSTREAM_TEST_PUBSUB_EMULATOR";

    [SkippableFact]
    public async Task The_shops_cycle_runs_on_Googles_emulator()
    {
        var emulator = Environment.GetEnvironmentVariable(Variable);
        Skip.If(string.IsNullOrEmpty(emulator), $"needs Google's Pub/Sub emulator: start it and set {Variable} to its host:port");
        using var place = new Workplace();

        // A project of its own: the emulator keeps what other tests left.
        var project = $"ecomstream.pubsub.project-id=e2e-{Guid.NewGuid():n}";
        var environment = new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = emulator! };
        using var run = EcomStreamProcess.Start(
            environment,
            "run", "--config", "hocon/emulator.conf", "--data", place.Folder, "--until-idle", Workplace.Idle, "--set", project, "--set", "ecomstream.unmatched.grace=1s", "--set", "ecomstream.store.kind=sqlite");
        await run.JoinsAsync();
        using var produce = EcomStreamProcess.Start(environment, "produce", "--orders", "800", "--payments", "1000", "--sequence", "payments-first", "--set", project);
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(90))).ShouldBe(0, run.Output);
        place.CompleteRows.ShouldBe(800, run.Output);
        place.Unmatched("dead-lettered").ShouldBe(200, run.Output);
        place.Unmatched("waiting").ShouldBe(0);
    }
}
