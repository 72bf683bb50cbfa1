using EcomStream.Cql.TestSupport;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>The store contract on a real Cassandra, with batches, over the newest protocol version.</summary>
public class CassandraContractTests(StoreKeyspace keyspace) : FactStoreContract, IClassFixture<StoreKeyspace>
{
    // A keyspace for each test would cost a second; ids of its own cost nothing.
    protected override long FirstOrderId { get; } = Random.Shared.NextInt64(1, 1L << 40) << 20;

    protected override bool StartsEmpty => false;

    protected virtual CassandraSettings Settings => keyspace.Settings;

    protected override Task<IFactStore> CreateAsync() => Task.FromResult<IFactStore>(new CassandraFactStore(Settings));

    [SkippableFact]
    public async Task What_a_script_inserts_after_a_payment_does_not_hide_it()
    {
        var published = Timestamps.Micros(DateTimeOffset.UtcNow.AddMinutes(-10));
        await Write(OrderWrite(1, published), PaymentWrite(2, 1002, published));
        await Write(PaymentWrite(1, 1001, published));

        await ScriptInsertsAsync(Order(1) with { Item = "by a script" });
        await ScriptInsertsAsync(Order(2));

        (await Read(1)).ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(published), Payment(1, 1001), new Stamp(published)));
        (await Read(2))!.Payment.ShouldBe(Payment(2, 1002));
        (await Read(2))!.Order.ShouldBe(Order(2));
    }

    protected override Task ScriptInsertsAsync(Order order) => ExecuteAsync(
        FormattableString.Invariant(
            $"INSERT INTO {keyspace.Settings.Keyspace}.orders_payments_facts (order_id, customer_id, item, quantity, price, shipping_address, order_status, creation_date, payment_id, payment_method, card_last_four, payment_status, payment_datetime) VALUES ({order.OrderId}, {order.CustomerId}, '{order.Item}', {order.Quantity}, {order.Price}, '{order.ShippingAddress}', '{order.OrderStatus}', '{order.CreationDate}', null, null, null, null, null)"));

    protected override Task ScriptDeletesAsync(long orderId) =>
        ExecuteAsync($"DELETE FROM {keyspace.Settings.Keyspace}.orders_payments_facts WHERE order_id = {orderId}");

    private async Task ExecuteAsync(string cql)
    {
        await using var session = await CassandraServer.ConnectAsync(keyspace.Settings);
        await session.QueryAsync(cql, default);
    }

    protected override async Task<IFactStore?> ReopenAsync()
    {
        await Store.DisposeAsync();
        return await CreateAsync();
    }
}

/// <summary>The same with one row per request, two connections and compressed frames.</summary>
public sealed class CompressedSingleRowContractTests(StoreKeyspace keyspace) : CassandraContractTests(keyspace)
{
    protected override CassandraSettings Settings =>
        base.Settings with { BatchRows = 1, Compression = true, ReadBatch = 1, ConnectionsPerNode = 2, MaxInFlight = 200 };
}

/// <summary>The same over protocol v4, with its own framing and compression.</summary>
public sealed class ProtocolV4ContractTests(StoreKeyspace keyspace) : CassandraContractTests(keyspace)
{
    protected override CassandraSettings Settings => base.Settings with { ProtocolVersion = 4, Compression = true };
}
