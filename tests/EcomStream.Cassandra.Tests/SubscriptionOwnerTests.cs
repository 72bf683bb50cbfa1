using EcomStream.Core;
using EcomStream.Cql.TestSupport;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>The rows that tell which process joins a subscription, on the real server.</summary>
public sealed class SubscriptionOwnerTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    private static readonly TimeSpan _long = TimeSpan.FromMinutes(1);
    private readonly string _subscription = $"projects/p/subscriptions/o'rders-{Guid.NewGuid():n}";

    [SkippableFact]
    public async Task The_first_owner_stays_until_it_releases_its_row()
    {
        await using var store = await OpenAsync(keyspace.Settings);
        (await store.ClaimAsync(_subscription, Owner("a", renewed: 1), _long, default)).ShouldBe(Owner("a", renewed: 1));
        (await store.ClaimAsync(_subscription, Owner("b", renewed: 2), _long, default)).ShouldBe(Owner("a", renewed: 1));
        (await store.ClaimAsync(_subscription, Owner("a", renewed: 3), _long, default)).ShouldBe(Owner("a", renewed: 3));

        await store.ReleaseAsync(_subscription, "b", default);
        (await store.ClaimAsync(_subscription, Owner("b", renewed: 4), _long, default)).ShouldBe(Owner("a", renewed: 3));
        await store.ReleaseAsync(_subscription, "a", default);
        (await store.ClaimAsync(_subscription, Owner("b", renewed: 5), _long, default)).ShouldBe(Owner("b", renewed: 5));
    }

    [SkippableFact]
    public async Task A_clean_stop_is_recorded_beside_the_owner_and_taken_once()
    {
        await using var store = await OpenAsync(keyspace.Settings);
        (await store.TakeCleanStopAsync(_subscription, default)).ShouldBeFalse();
        await store.ClaimAsync(_subscription, Owner("a", renewed: 1), _long, default);
        await store.SetCleanStopAsync(_subscription, default);
        await store.SetCleanStopAsync(_subscription, default);
        (await store.ClaimAsync(_subscription, Owner("a", renewed: 2), _long, default)).ShouldBe(Owner("a", renewed: 2));
        (await store.TakeCleanStopAsync(_subscription, default)).ShouldBeTrue();
        (await store.TakeCleanStopAsync(_subscription, default)).ShouldBeFalse();
    }

    [SkippableFact]
    public async Task A_row_that_is_not_renewed_expires()
    {
        await using var store = await OpenAsync(keyspace.Settings);
        await store.ClaimAsync(_subscription, Owner("a", renewed: 1), TimeSpan.FromSeconds(1), default);
        await Eventually.True(
            async () => (await store.ClaimAsync(_subscription, Owner("b", renewed: 2), _long, default))!.Id == "b", "the row has expired", TimeSpan.FromSeconds(10));
    }

    [SkippableFact]
    public async Task Of_many_that_claim_at_once_one_becomes_the_owner()
    {
        await using var store = await OpenAsync(keyspace.Settings);
        var owners = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(i => store.ClaimAsync(_subscription, Owner($"{i}", renewed: i), _long, default).AsTask()));
        owners.Select(owner => owner!.Id).Distinct().ShouldHaveSingleItem();
    }

    // As an installation of an earlier version has it, whose role may not create tables.
    [SkippableFact]
    public async Task A_store_without_the_table_runs_and_knows_no_owner()
    {
        await using var first = await OpenAsync(keyspace.Settings);
        await using var store = await OpenAsync(keyspace.Settings with { OwnersTable = "no_owners", CreateSchema = false });
        (await store.ClaimAsync(_subscription, Owner("a", renewed: 1), _long, default)).ShouldBeNull();
        await store.ReleaseAsync(_subscription, "a", default);
        await store.WriteAsync([new FactWrite { OrderId = 1, Order = new Order { OrderId = 1 }, OrderStamp = new Stamp(1) }], default);
        (await new CassandraAdmin(keyspace.Settings with { OwnersTable = "no_owners" }).CheckAsync(default))
            .ShouldHaveSingleItem().ShouldContain("no_owners is missing");
    }

    // One row was set up for an earlier version: SELECT and MODIFY on two tables, and nothing on the third.
    [SkippableFact]
    public async Task A_role_that_may_not_use_the_table_joins_and_knows_no_owner()
    {
        var settings = keyspace.Settings;
        await using var admin = await OpenAsync(settings);
        var role = $"{settings.Keyspace}_owners";
        await using var session = await CassandraServer.ConnectAsync(settings);
        await session.QueryAsync($"CREATE ROLE {role} WITH PASSWORD = 'secret' AND LOGIN = true", default);
        foreach (var table in new[] { settings.FactsTable, settings.UnmatchedTable })
        {
            await session.QueryAsync($"GRANT SELECT ON {settings.Keyspace}.{table} TO {role}", default);
            await session.QueryAsync($"GRANT MODIFY ON {settings.Keyspace}.{table} TO {role}", default);
        }

        await using var store = await OpenAsync(settings with { Username = role, Password = "secret" });
        (await store.ClaimAsync(_subscription, Owner("a", renewed: 1), _long, default)).ShouldBeNull();
        await session.QueryAsync($"DROP ROLE {role}", default);
    }

    private static SubscriptionOwner Owner(string id, long renewed) => new(id, $"process 7 on o'brien-{id}", "machine", 7, 1_000_000, renewed);

    private static async Task<CassandraFactStore> OpenAsync(CassandraSettings settings)
    {
        var store = new CassandraFactStore(settings);
        await store.InitializeAsync(default);
        return store;
    }
}
