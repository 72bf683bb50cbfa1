using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

/// <summary>Many messages of the official client, with Google's emulator and a real Cassandra.</summary>
[Collection(AloneCollection.Name)]
public sealed class OfficialClientOnCassandraTests
{
    private const int Many = 30_000;

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
        await using var store = await CassandraTests.OpenAsync(keyspace);
        (await Unmatched.StoreUnderTest.CompleteAsync(store, Many)).ShouldBe(Many, run.Output);
        var row = (await store.ReadAsync([Many], default))[0]!;
        row.Order!.ShippingAddress.ShouldBe($"{Many} Main St, Köln");
        row.Payment!.PaymentDatetime.ShouldBe("2024-01-21T45:01:30Z");
        (await Unmatched.StoreUnderTest.UnmatchedAsync(store)).ShouldAllBe(payment => payment.State == UnmatchedState.Healed);
    }
}
