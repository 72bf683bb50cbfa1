using EcomStream.Core;

namespace EcomStream.Cassandra.Tests;

/// <summary>What the store reports when it cannot start.</summary>
public sealed class StartTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    [SkippableFact]
    public async Task A_wrong_password_fails_at_the_start_with_what_to_check_and_without_the_password()
    {
        await using var store = new CassandraFactStore(StoreKeyspace.ServerSettings with { Password = "not-the-secret" });
        var error = await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default));
        error.Message.ShouldContain("username and password");
        error.ToString().ShouldNotContain("not-the-secret");
    }

    [SkippableFact]
    public async Task A_datacenter_that_does_not_exist_is_named_with_those_that_do()
    {
        await using var store = new CassandraFactStore(StoreKeyspace.ServerSettings with { LocalDatacenter = "nowhere" });
        (await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default))).Message.ShouldContain("datacenter1");
    }

    [Fact]
    public async Task A_node_that_is_not_there_is_unavailable_and_named()
    {
        await using var store = new CassandraFactStore(new CassandraSettings { ContactPoints = ["127.0.0.1:1"] });
        (await Should.ThrowAsync<StoreUnavailableException>(async () => await store.InitializeAsync(default))).Message.ShouldContain("127.0.0.1:1");
    }

    [SkippableFact]
    public async Task A_table_that_lacks_a_column_is_refused_by_name()
    {
        await using var session = await keyspace.SessionWithTableAsync("orders_payments_facts", "order_id bigint PRIMARY KEY, customer_id text, more int");
        await using var store = new CassandraFactStore(keyspace.Settings);
        var error = await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default));
        error.Message.ShouldContain("lacks the column item text");
        error.Message.ShouldContain("customer_id as text, and it must be bigint");
        error.Message.ShouldNotContain("more");
    }
}
