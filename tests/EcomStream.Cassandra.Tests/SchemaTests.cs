using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Tables;
using EcomStream.Cassandra.Tests.InMemory;
using EcomStream.Cql;
using EcomStream.Cql.TestSupport;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tests;

public sealed class SchemaTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    // As public scripts make it.
    private const string PlainFacts =
        "order_id BIGINT PRIMARY KEY, customer_id BIGINT, item TEXT, quantity BIGINT, price DOUBLE, shipping_address TEXT, order_status TEXT, "
        + "creation_date TEXT, payment_id BIGINT, payment_method TEXT, card_last_four TEXT, payment_status TEXT, payment_datetime TEXT";

    [Theory]
    [InlineData("{'class': 'SimpleStrategy', 'replication_factor': 2}", "SimpleStrategy", "replication_factor=2", true)]
    [InlineData("{'class':'org.apache.cassandra.locator.SimpleStrategy','replication_factor':'2'}", "SimpleStrategy", "replication_factor=2", true)]
    [InlineData("{'class': 'SimpleStrategy', 'replication_factor': 3}", "SimpleStrategy", "replication_factor=2", false)]
    [InlineData("{'class': 'NetworkTopologyStrategy', 'dc1': 3}", "NetworkTopologyStrategy", "dc1=3", true)]
    [InlineData("{'class': 'NetworkTopologyStrategy', 'dc1': 3}", "NetworkTopologyStrategy", "dc1=3,dc2=3", false)]
    [InlineData("{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}", "NetworkTopologyStrategy", "dc1=3,dc2=3", true)]
    [InlineData("{'class': 'NetworkTopologyStrategy', 'replication_factor': 3, 'dc2': 1}", "NetworkTopologyStrategy", "dc1=3,dc2=1", true)]
    [InlineData("{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}", "NetworkTopologyStrategy", "dc1=3,dc2=2", false)]
    [InlineData("{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}", "SimpleStrategy", "replication_factor=3", false)]
    public void A_replication_is_compared_as_Cassandra_keeps_it(string asked, string strategy, string options, bool same)
    {
        var actual = options.Split(',').Select(option => option.Split('=')).ToDictionary(option => option[0], option => option[1]);
        actual["class"] = $"org.apache.cassandra.locator.{strategy}";
        KeyspaceReplication.Parse(asked).Gives(new KeyspaceReplication(actual)).ShouldBe(same);
    }

    [Theory]
    [InlineData("'SimpleStrategy', 'replication_factor': 1", Consistency.One, "", null)]
    [InlineData("'SimpleStrategy', 'replication_factor': 3", Consistency.One, "", 1)]
    [InlineData("'SimpleStrategy', 'replication_factor': 3", Consistency.Two, "", null)]
    [InlineData("'SimpleStrategy', 'replication_factor': 5", Consistency.Two, "", 2)]
    [InlineData("'SimpleStrategy', 'replication_factor': 3", Consistency.LocalQuorum, "", null)]
    [InlineData("'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 3", Consistency.LocalOne, "dc1", null)]
    [InlineData("'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 3", Consistency.LocalOne, "dc2", 1)]
    [InlineData("'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 3", Consistency.One, "dc1", 1)]
    [InlineData("'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 3", Consistency.LocalQuorum, "dc1", null)]
    [InlineData("'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 3", Consistency.Quorum, "dc1", null)]
    [InlineData("'NetworkTopologyStrategy', 'dc1': 3", Consistency.All, "", null)]
    public void A_consistency_at_which_a_read_may_miss_a_write_is_found(string replication, Consistency level, string datacenter, int? confirming) =>
        (KeyspaceReplication.Parse($"{{'class': {replication}}}").MissedBy(level, datacenter)?.Confirming).ShouldBe(confirming);

    [Fact]
    public async Task A_store_does_not_run_where_reads_may_miss_writes()
    {
        var settings = InMemoryStores.Settings with { Replication = "{'class': 'SimpleStrategy', 'replication_factor': 3}", Consistency = Consistency.One };
        var client = new InMemoryClient(TimeProvider.System);
        await using (var store = InMemoryStores.Create(client, settings))
        {
            (await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default))).Message
                .ShouldContain("has 3 replicas of each row, and with consistency = One only 1 of them");
        }

        await using var quorum = InMemoryStores.Create(client, settings with { Consistency = Consistency.LocalQuorum });
        await quorum.InitializeAsync(default);
    }

    [SkippableFact]
    public async Task Another_replication_than_the_settings_ask_for_is_a_difference_and_a_store_runs_on_it()
    {
        var settings = keyspace.Settings with { Keyspace = $"{keyspace.Settings.Keyspace}_r", Replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}" };
        (await new CassandraAdmin(settings).ApplyAsync(default)).ShouldBeEmpty();
        var other = settings with { Replication = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}", CreateSchema = false };

        foreach (var differences in new[] { await new CassandraAdmin(other).CheckAsync(default), await new CassandraAdmin(other).ApplyAsync(default) })
        {
            differences.ShouldHaveSingleItem().ShouldContain("has the replication {'class': 'NetworkTopologyStrategy', 'datacenter1': '1'}");
        }

        await using (var store = new CassandraFactStore(other))
        {
            await store.InitializeAsync(default);
        }

        await using var session = await CassandraServer.ConnectAsync(settings);
        await session.QueryAsync($"DROP KEYSPACE {settings.Keyspace}", default);
    }

    [SkippableFact]
    public async Task A_facts_table_of_a_public_script_is_used_as_it_is_by_a_role_that_may_make_tables_alone()
    {
        var settings = keyspace.Settings with { FactsTable = "plain", UnmatchedTable = "plain_unmatched" };
        var role = $"{settings.Keyspace}_role";
        await using var session = await keyspace.SessionWithTableAsync("plain", PlainFacts);
        await session.QueryAsync($"INSERT INTO {settings.Keyspace}.plain (order_id, item, quantity) VALUES (5, 'Laptop', 2)", default);
        await session.QueryAsync($"CREATE ROLE {role} WITH PASSWORD = 'secret' AND LOGIN = true", default);
        foreach (var permission in new[] { "CREATE", "SELECT", "MODIFY" })
        {
            await session.QueryAsync($"GRANT {permission} ON KEYSPACE {settings.Keyspace} TO {role}", default);
        }

        await using var store = new CassandraFactStore(settings with { Username = role, Password = "secret" });
        await store.InitializeAsync(default);
        await store.WriteAsync([new FactWrite { OrderId = 5, Payment = new Payment { OrderId = 5, PaymentId = 7 }, PaymentStamp = new Stamp(1) }], default);

        var fact = (await store.ReadAsync([5], default)).ShouldHaveSingleItem()!;
        (fact.Order!.Item, fact.Order.Quantity, fact.Payment!.PaymentId).ShouldBe(("Laptop", 2, 7));
        (await new CassandraAdmin(settings).CheckAsync(default)).ShouldBeEmpty();
        await session.QueryAsync($"DROP ROLE {role}", default);
    }

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
                + $"VALUES ({UnmatchedStatements.Bucket(1)}, 1, '11', 0x7b7d, 5, '6', 's', 'no-matching-order', 'waiting', 7, 8, '', 0)",
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
