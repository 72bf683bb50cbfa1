using EcomStream.Core;

namespace EcomStream.Cassandra.Tests;

public sealed class SchemaTests(TestKeyspace keyspace) : IClassFixture<TestKeyspace>
{
    [SkippableFact]
    public async Task A_table_of_unmatched_payments_of_an_earlier_version_gets_the_newer_columns_and_keeps_its_rows()
    {
        var settings = keyspace.Settings with { UnmatchedTable = "earlier" };
        var admin = new CassandraAdmin(settings);
        (await admin.ApplyAsync(default)).ShouldBeEmpty();
        await using (var session = await CassandraServer.ConnectAsync(settings))
        {
            await session.QueryAsync($"ALTER TABLE {settings.Keyspace}.earlier DROP (attributes, history)", default);
            await session.QueryAsync(
                $"INSERT INTO {settings.Keyspace}.earlier (bucket, order_id, payment_key, data, publish_time, message_id, subscription, reason, state, since, changed, detail, replays) "
                + $"VALUES ({UnmatchedTable.Bucket(1)}, 1, '11', 0x7b7d, 5, '6', 's', 'no-matching-order', 'waiting', 7, 8, '', 0)",
                default);
        }

        var differences = await admin.CheckAsync(default);
        differences.Count.ShouldBe(2);
        differences.ShouldAllBe(difference => difference.StartsWith("earlier lacks the column"));
        await using var strict = new CassandraFactStore(settings with { CreateSchema = false });
        (await Should.ThrowAsync<StoreRejectedException>(async () => await strict.InitializeAsync(default))).Message.ShouldContain("lacks the column history text");

        await using var store = new CassandraFactStore(settings);
        await store.InitializeAsync(default);
        var row = (await store.ReadUnmatchedAsync([1], default)).ShouldHaveSingleItem();
        row.History.ShouldBe("");
        await store.WriteUnmatchedAsync([row.Become(UnmatchedState.Healed, 0, "joined")], default);
        (await store.ReadUnmatchedAsync([1], default)).Single().History.ShouldContain("healed joined");
    }
}
