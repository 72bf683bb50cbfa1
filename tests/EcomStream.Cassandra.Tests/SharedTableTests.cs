using EcomStream.Core;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.TestSupport;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>What the store and the schema check require of a keyspace and role that others have made.</summary>
public sealed class SharedTableTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    [SkippableFact]
    public async Task A_missing_keyspace_is_created_only_with_an_explicit_replication()
    {
        var settings = keyspace.Settings with { Keyspace = $"{keyspace.Settings.Keyspace}_typo", Replication = "" };
        await using var store = new CassandraFactStore(settings);

        var error = await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default));

        error.Message.ShouldContain("does not exist");
        error.Message.ShouldContain("ecomstream.store.cassandra.replication");
        (await new CassandraAdmin(settings).CheckAsync(default)).ShouldHaveSingleItem().ShouldContain("is missing");
    }

    [SkippableFact]
    public async Task A_store_that_only_reads_creates_nothing()
    {
        var settings = keyspace.Settings with { Keyspace = $"{keyspace.Settings.Keyspace}_read", CreateSchema = false };
        await using var store = new CassandraFactStore(settings);

        (await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default))).Message.ShouldContain("is missing");
        (await new CassandraAdmin(settings).CheckAsync(default)).ShouldHaveSingleItem().ShouldContain($"the keyspace {settings.Keyspace} is missing");
    }

    [SkippableFact]
    public async Task Additional_columns_do_not_matter_and_a_default_time_to_live_is_reported()
    {
        var settings = keyspace.Settings with { FactsTable = "shared", UnmatchedTable = "shared_unmatched" };
        (await new CassandraAdmin(settings).ApplyAsync(default)).ShouldBeEmpty();
        await using var session = await CassandraServer.ConnectAsync(settings);
        await session.QueryAsync($"ALTER TABLE {settings.Keyspace}.shared ADD note text", default);
        (await new CassandraAdmin(settings).CheckAsync(default)).ShouldBeEmpty();

        await session.QueryAsync($"ALTER TABLE {settings.Keyspace}.shared WITH default_time_to_live = 10", default);
        (await new CassandraAdmin(settings).CheckAsync(default)).ShouldHaveSingleItem().ShouldContain("default_time_to_live = 10");
        using var log = new LogLines();
        await using var store = new CassandraFactStore(settings, log);
        await store.InitializeAsync(default);
        log.Lines.ShouldContain(line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains("default_time_to_live", StringComparison.Ordinal));
    }

    [SkippableFact]
    public async Task A_role_needs_SELECT_and_MODIFY_on_both_tables_and_the_check_says_what_it_lacks()
    {
        var settings = keyspace.Settings with { FactsTable = "granted", UnmatchedTable = "granted_unmatched", CreateSchema = false };
        (await new CassandraAdmin(keyspace.Settings with { FactsTable = "granted", UnmatchedTable = "granted_unmatched" }).ApplyAsync(default)).ShouldBeEmpty();
        var role = $"{settings.Keyspace}_least";
        await using var session = await CassandraServer.ConnectAsync(settings);
        await session.QueryAsync($"CREATE ROLE {role} WITH PASSWORD = 'secret' AND LOGIN = true", default);
        var asRole = settings with { Username = role, Password = "secret" };
        foreach (var (permission, table) in new[] { ("SELECT", "granted"), ("SELECT", "granted_unmatched"), ("MODIFY", "granted"), ("MODIFY", "granted_unmatched") })
        {
            await ShouldLackAsync(permission, table);
            await session.QueryAsync($"GRANT {permission} ON TABLE {settings.Keyspace}.{table} TO {role}", default);
        }

        await Eventually.True(async () => (await new CassandraAdmin(asRole).CheckAsync(default)).Count == 0, "all is granted");
        await using (var store = new CassandraFactStore(asRole))
        {
            await store.InitializeAsync(default);
            await store.WriteAsync([RefusalTests.Order(1), RefusalTests.Payment(2)], default);
            await store.WriteUnmatchedAsync([RefusalTests.Unmatched(3, 10)], default);
            (await store.ReadAsync([1, 2], default)).ShouldAllBe(row => row != null);
            (await store.ListUnjoinedAsync(default).CountAsync()).ShouldBe(1);
        }

        // The check has written nothing.
        var rows = await session.QueryAsync($"SELECT order_id FROM {settings.Keyspace}.granted", default);
        rows.Count.ShouldBe(2);
        await session.QueryAsync($"DROP ROLE {role}", default);

        async Task ShouldLackAsync(string permission, string table)
        {
            // Cassandra caches permissions for some seconds.
            var lacks = $"{permission} permission on <table {settings.Keyspace}.{table}>";
            await Eventually.True(async () => (await new CassandraAdmin(asRole).CheckAsync(default)).ShouldHaveSingleItem().Contains(lacks, StringComparison.Ordinal), lacks);
            await using var store = new CassandraFactStore(asRole);
            (await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default))).Message.ShouldContain(permission);
        }
    }

    [SkippableFact]
    public async Task Two_stores_that_start_together_create_the_schema_once()
    {
        var settings = keyspace.Settings with { Keyspace = $"{keyspace.Settings.Keyspace}_race" };
        var stores = Enumerable.Range(0, 3).Select(_ => new CassandraFactStore(settings)).ToList();

        await Task.WhenAll(stores.Select(store => store.InitializeAsync(default).AsTask()));

        foreach (var store in stores)
        {
            await store.DisposeAsync();
        }

        await using var session = await CassandraServer.ConnectAsync(settings);
        await session.QueryAsync($"DROP KEYSPACE {settings.Keyspace}", default);
    }
}
