using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.Cql;
using EcomStream.Cql.Cluster;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The program on Google's emulator and a real Cassandra.</summary>
public sealed class CassandraTests
{
    private const int Orders = 2_000;
    private const int Payments = 2_200;

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
    public async Task The_CQL_client_can_be_used_without_the_store()
    {
        Skip.If(string.IsNullOrEmpty(RealServers.Cassandra), RealServers.WhyNoCassandra);
        var keyspace = $"cql_{Guid.NewGuid():n}"[..16];
        await using var session = await CqlSession.ConnectAsync(
            new CqlSettings { ContactPoints = [RealServers.Cassandra], Username = "admin", Password = "admin", Keyspace = keyspace },
            NullLogger.Instance, TimeProvider.System, default);
        await session.QueryAsync($"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}", default);
        await session.QueryAsync($"CREATE TABLE {keyspace}.items (id bigint PRIMARY KEY, name text)", default);
        for (var id = 0L; id < 5; id++)
        {
            await foreach (var _ in session.ExecuteAllAsync($"INSERT INTO {keyspace}.items (id, name) VALUES (?, ?)", [id, $"item {id}"], 0, default))
            {
            }
        }

        var (pages, names) = (0, new List<string>());
        await foreach (var page in session.ExecuteAllAsync($"SELECT id, name FROM {keyspace}.items", [], pageSize: 2, default))
        {
            pages++;
            while (page.Next())
            {
                names.Add(page.Text(1));
            }
        }

        pages.ShouldBeGreaterThan(2);
        names.Order().ShouldBe(["item 0", "item 1", "item 2", "item 3", "item 4"]);
        await session.QueryAsync($"DROP KEYSPACE {keyspace}", default);
    }

    internal static async Task<CassandraFactStore> OpenAsync(string keyspace)
    {
        var store = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [RealServers.Cassandra], Username = "admin", Password = "admin", Keyspace = keyspace,
        });
        await store.InitializeAsync(default);
        return store;
    }
}
