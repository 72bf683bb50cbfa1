using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests.Unmatched;

public sealed class KilledWhileWaitingTests
{
    private const int Payments = 10_000;
    private const int Orders = 5_000;
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(25);

    [Fact]
    public Task On_the_embedded_store_payments_that_waited_when_the_process_was_killed_are_joined_or_given_up_in_time() => Run(StoreUnderTest.Sqlite);

    [SkippableFact]
    public Task On_Cassandra_payments_that_waited_when_the_process_was_killed_are_joined_or_given_up_in_time() => Run(StoreUnderTest.Cassandra);

    private static async Task Run(Func<Workplace, StoreUnderTest> kind)
    {
        using var place = new Workplace();
        var store = kind(place);
        string[] run = [.. place.Run(), .. store.Arguments, "--set", $"ecomstream.unmatched.grace={Grace.TotalSeconds}s"];
        using (var victim = EcomStreamProcess.Start(run))
        {
            await victim.JoinsAsync();
            using var payments = EcomStreamProcess.Start(place.Produce("--orders", "0", "--payments", $"{Payments}"));
            (await payments.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, payments.Output);
            await using var watched = await store.OpenAsync();
            var waiting = 0;
            for (var tries = 0; waiting < Payments && tries < 200; tries++)
            {
                await Task.Delay(100);
                waiting = (await StoreUnderTest.UnmatchedAsync(watched)).Count(row => row.State == UnmatchedState.Waiting);
            }

            waiting.ShouldBe(Payments, victim.Output);
            await victim.KillAsync();
        }

        using var second = EcomStreamProcess.Start([.. run, "--until-idle", Workplace.Idle]);
        using var orders = EcomStreamProcess.Start(place.Produce("--orders", $"{Orders}", "--payments", "0"));
        (await orders.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, orders.Output);
        (await second.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, second.Output);
        second.Output.ShouldContain($"{Payments} orders have unmatched payments, {Payments} of them wait");

        await using var opened = await store.OpenAsync();
        (await StoreUnderTest.CompleteAsync(opened, Orders)).ShouldBe(Orders, second.Output);
        var rows = await StoreUnderTest.UnmatchedAsync(opened);
        rows.Count.ShouldBe(Payments);
        rows.Count(row => row.State == UnmatchedState.Healed && row.OrderId <= Orders).ShouldBe(Orders);
        var givenUp = rows.Where(row => row.State == UnmatchedState.DeadLettered && row.OrderId > Orders).ToList();
        givenUp.Count.ShouldBe(Payments - Orders);

        // Not before their grace, counted from the publish and not from the restart, and soon after it.
        givenUp.ShouldAllBe(row => row.ChangedMicros - row.PublishTimeMicros >= Grace.TotalMicroseconds);
        givenUp.ShouldAllBe(row => row.ChangedMicros - row.PublishTimeMicros < (Grace + TimeSpan.FromSeconds(20)).TotalMicroseconds);
        rows.ShouldAllBe(row => row.ChangedMicros - row.SinceMicros > 0 && UnmatchedHistory.Lines(row.History).Count == 2);
        (await place.BacklogAsync("dlq_payments_data-sub")).ShouldBe(Payments - Orders);
    }
}
