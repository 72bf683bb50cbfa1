using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The program on Google's emulator and a real Cassandra.</summary>
[Collection(AloneCollection.Name)]
public sealed class CassandraTests
{
    private const int Orders = 2_000;
    private const int Payments = 2_200;
    private const int Many = 30_000;

    [SkippableFact]
    public async Task The_shops_cycle_runs_on_Googles_emulator_and_a_real_Cassandra()
    {
        var servers = RealServers.Require();
        var (keyspace, settings, environment) = servers;
        using var produce = EcomStreamProcess.Start(
            environment, ["produce", "--orders", $"{Orders}", "--payments", $"{Payments}", "--sequence", "payments-first", .. settings]);
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
        using var run = EcomStreamProcess.Start(
            environment, ["run", .. settings, "--set", "ecomstream.unmatched.grace=1s", "--until-idle", "5s"]);
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, run.Output);

        await using var store = await OpenAsync(keyspace);
        (await Unmatched.StoreUnderTest.CompleteAsync(store, Orders)).ShouldBe(Orders, run.Output);
        (await store.ReadAsync([.. Enumerable.Range(Orders + 1, Payments - Orders).Select(id => (long)id)], default)).ShouldAllBe(row => row == null);
        var unmatched = await Unmatched.StoreUnderTest.UnmatchedAsync(store);
        unmatched.Count(row => row.State == UnmatchedState.DeadLettered).ShouldBe(Payments - Orders);
        unmatched.ShouldAllBe(row => row.State == UnmatchedState.DeadLettered || row.State == UnmatchedState.Healed);
    }

    [SkippableFact]
    public async Task Thirty_thousand_orders_and_payments_of_the_official_client_are_joined_and_no_message_is_delivered_twice()
    {
        OfficialNodeClient.SkipWhereItIsNot();
        var servers = RealServers.Require();
        var (keyspace, settings, environment) = servers;
        using var run = EcomStreamProcess.Start(environment, ["run", .. settings, "--until-idle", "30s"]);
        await run.JoinsAsync();
        var published = await OfficialNodeClient.RunAsync("shop.cjs", environment["PUBSUB_EMULATOR_HOST"], "publish", $"{Many}", $"{Many}", servers.Project);
        published.ShouldContain($$"""{"published":{{2 * Many}}}""");
        (await run.ExitCodeAsync(TimeSpan.FromMinutes(8))).ShouldBe(0, run.Output);

        run.Output.ShouldContain($"received {2 * Many}, ");
        await using var store = await OpenAsync(keyspace);
        (await Unmatched.StoreUnderTest.CompleteAsync(store, Many)).ShouldBe(Many, run.Output);
        var row = (await store.ReadAsync([Many], default))[0]!;
        row.Order!.ShippingAddress.ShouldBe($"{Many} Main St, Köln");
        row.Payment!.PaymentDatetime.ShouldBe("2024-01-21T45:01:30Z");
        (await Unmatched.StoreUnderTest.UnmatchedAsync(store)).ShouldAllBe(payment => payment.State == UnmatchedState.Healed);
    }

    private static async Task<CassandraFactStore> OpenAsync(string keyspace)
    {
        var store = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [RealServers.Cassandra], Username = "admin", Password = "admin", Keyspace = keyspace,
        });
        await store.InitializeAsync(default);
        return store;
    }
}
