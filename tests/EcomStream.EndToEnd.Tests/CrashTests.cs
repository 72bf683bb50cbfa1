using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

public sealed class CrashTests
{
    private static readonly int Orders = TestSize.Of(full: 100_000, part: 40_000);
    private static readonly int Kills = TestSize.Of(full: 10, part: 4);

    [Fact]
    public async Task Kills_at_random_instants_lose_no_order_and_no_payment()
    {
        using var place = new Workplace();
        var random = new Random(20261124);

        // Without a limit on the rate: the publisher waits by itself while the broker is dead.
        using var produce = EcomStreamProcess.Start(place.Produce(
            "--orders", $"{Orders}", "--payments", $"{Orders}", "--sequence", "interleaved", "--rate", "20000"));
        for (var kill = 0; kill < Kills; kill++)
        {
            using var victim = EcomStreamProcess.Start(place.Run());
            await victim.JoinsAsync();
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(50, 2_000)));
            await victim.KillAsync();
        }

        using var last = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(180))).ShouldBe(0, produce.Output);
        (await last.ExitCodeAsync(TimeSpan.FromSeconds(180))).ShouldBe(0, last.Output);

        place.Rows.ShouldBe(Orders, last.Output);
        place.CompleteRows.ShouldBe(Orders);
        place.Unmatched("waiting").ShouldBe(0);
        place.Unmatched("dead-lettered").ShouldBe(0);
        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
    }

    [Fact]
    public async Task On_SIGTERM_what_is_in_flight_is_finished_the_exit_code_is_0_and_nothing_is_lost()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run());
        await run.JoinsAsync();
        using var produce = EcomStreamProcess.Start(place.Produce(
            "--orders", "20000", "--payments", "20000", "--sequence", "interleaved", "--rate", "10000"));
        await Eventually.True(
            () => place.CountOrZero("SELECT count(*) FROM orders_payments_facts") > 2_000, "rows are written", TimeSpan.FromSeconds(60));
        await run.TerminateAsync();
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(40))).ShouldBe(0, run.Output);

        using var again = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, produce.Output);
        (await again.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, again.Output);
        place.CompleteRows.ShouldBe(20_000, again.Output);
    }
}
