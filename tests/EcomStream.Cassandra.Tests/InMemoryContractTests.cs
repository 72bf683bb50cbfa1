using EcomStream.Cassandra.Tests.InMemory;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>The store contract over a client that keeps everything in memory and applies Cassandra's rules per cell.</summary>
public sealed class InMemoryContractTests : FactStoreContract
{
    private const string Facts = "ecom_store.orders_payments_facts";

    private readonly InMemoryClient _client = new(TimeProvider.System);

    protected override Task<IFactStore> CreateAsync() =>
        Task.FromResult<IFactStore>(InMemoryStores.Create(_client, InMemoryStores.Settings with { FinishedTtl = TimeSpan.Zero }));

    protected override async Task<IFactStore?> ReopenAsync()
    {
        await Store.DisposeAsync();
        return await CreateAsync();
    }

    protected override Task ScriptInsertsAsync(Order order)
    {
        InMemoryStores.ScriptInserts(_client, Facts, order);
        return Task.CompletedTask;
    }

    protected override Task ScriptDeletesAsync(long orderId)
    {
        _client.Table(Facts).Delete(new Dictionary<string, byte[]?> { ["order_id"] = InMemoryCells.Bytes(orderId) }, InMemoryStores.Now);
        return Task.CompletedTask;
    }
}
