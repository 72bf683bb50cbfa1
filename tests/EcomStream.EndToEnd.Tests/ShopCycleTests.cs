namespace EcomStream.EndToEnd.Tests;

public sealed class ShopCycleTests
{
    [Theory]
    [InlineData("orders-first")]
    [InlineData("payments-first")]
    public async Task Eighty_orders_and_five_hundred_payments_end_as_eighty_rows_and_420_dead_letters(string sequence)
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle, "--set", "ecomstream.unmatched.grace=1s"));
        using var produce = EcomStreamProcess.Start(place.Produce("--sequence", sequence));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, run.Output);

        place.CompleteRows.ShouldBe(80, run.Output);
        place.Rows.ShouldBe(80);
        place.Unmatched("dead-lettered").ShouldBe(420);
        place.Unmatched("waiting").ShouldBe(0);
        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("dlq_payments_data-sub")).ShouldBe(420);
    }

    [Fact]
    public async Task Orders_that_come_later_than_the_grace_heal_their_dead_lettered_payments_even_after_a_restart()
    {
        using var place = new Workplace();
        using (var first = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle, "--set", "ecomstream.unmatched.grace=500ms")))
        {
            using var payments = EcomStreamProcess.Start(place.Produce("--orders", "0", "--payments", "50"));
            (await payments.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, payments.Output);
            (await first.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, first.Output);
            place.Unmatched("dead-lettered").ShouldBe(50, first.Output);
        }

        using var second = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle));
        using var orders = EcomStreamProcess.Start(place.Produce("--orders", "50", "--payments", "0"));
        (await orders.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, orders.Output);
        (await second.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, second.Output);
        place.CompleteRows.ShouldBe(50, second.Output);
        place.Unmatched("healed").ShouldBe(50);
    }

    [Fact]
    public async Task Duplicates_reordering_rubbish_and_orphans_leave_every_row_right_and_everything_accounted_for()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle, "--set", "ecomstream.unmatched.grace=1s"));
        using var produce = EcomStreamProcess.Start(place.Produce(
            "--orders", "5000", "--payments", "5000", "--sequence", "interleaved",
            "--duplicates", "0.1", "--reordered", "0.2", "--malformed", "0.02", "--orphans", "0.02", "--seed", "7"));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, run.Output);

        // "published ... (M malformed, N without an order among them)"
        var figures = System.Text.RegularExpressions.Regex.Match(produce.Output, @"\((\d+) malformed, (\d+) without");
        var (malformed, orphans) = (long.Parse(figures.Groups[1].Value), long.Parse(figures.Groups[2].Value));
        malformed.ShouldBeGreaterThan(50);
        orphans.ShouldBeGreaterThan(50);
        place.CompleteRows.ShouldBe(5_000, run.Output);
        place.Rows.ShouldBe(5_000);
        place.Unmatched("dead-lettered").ShouldBe(orphans + malformed);
        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
        var deadLetters = await place.BacklogAsync("dlq_payments_data-sub") + await place.BacklogAsync("dlq_orders_data-sub");
        deadLetters.ShouldBe(orphans + malformed);
    }
}
