using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests.Unmatched;

public sealed class LateOrdersTests
{
    private const int Count = 2_000;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task On_the_embedded_store_orders_later_than_the_grace_heal_every_payment(bool restart) => Run(StoreUnderTest.Sqlite, restart);

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task On_Cassandra_orders_later_than_the_grace_heal_every_payment(bool restart) => Run(StoreUnderTest.Cassandra, restart);

    private static async Task Run(Func<Workplace, StoreUnderTest> kind, bool restart)
    {
        using var place = new Workplace();
        var store = kind(place);
        string[] arguments = [.. place.Run(), .. store.Arguments, "--set", "ecomstream.unmatched.grace=1s"];
        var run = EcomStreamProcess.Start(arguments);
        try
        {
            await run.JoinsAsync();
            await Produce(place, "--orders", "0", "--payments", $"{Count}");
            await using var opened = await store.OpenAsync();
            await AllAre(opened, UnmatchedState.DeadLettered, run);
            if (restart)
            {
                await run.KillAsync();
                run.Dispose();
                run = EcomStreamProcess.Start(arguments);
            }

            await Produce(place, "--orders", $"{Count}", "--payments", "0");
            await AllAre(opened, UnmatchedState.Healed, run);
            (await StoreUnderTest.CompleteAsync(opened, Count)).ShouldBe(Count, run.Output);
        }
        finally
        {
            run.Dispose();
        }
    }

    private static async Task Produce(Workplace place, params string[] arguments)
    {
        using var produce = EcomStreamProcess.Start(place.Produce(arguments));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
    }

    private static async Task AllAre(IFactStore store, UnmatchedState state, EcomStreamProcess run)
    {
        List<UnmatchedPayment> rows = [];
        for (var tries = 0; tries < 120 && !(rows.Count == Count && rows.All(row => row.State == state)); tries++)
        {
            await Task.Delay(250);
            rows = await StoreUnderTest.UnmatchedAsync(store);
        }

        rows.Count.ShouldBe(Count, run.Output);
        rows.ShouldAllBe(row => row.State == state);
    }
}
