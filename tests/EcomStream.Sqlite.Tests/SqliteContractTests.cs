using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite.Tests;

public sealed class SqliteContractTests : FactStoreContract
{
    private readonly TemporaryFolder _folder = new();

    protected override Task<IFactStore> CreateAsync() =>
        Task.FromResult<IFactStore>(new SqliteFactStore(new SqliteSettings(_folder.File("ecomstream.db"))
        {
            // The contract's rows are years old.
            FinishedTtl = TimeSpan.Zero,
        }));

    protected override async Task<IFactStore?> ReopenAsync()
    {
        await Store.DisposeAsync();
        return await CreateAsync();
    }

    protected override async Task ScriptInsertsAsync(Order order) => await ExecuteAsync(
        """
        INSERT OR REPLACE INTO orders_payments_facts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, NULL, NULL, NULL, NULL)
        """,
        order.OrderId, order.CustomerId, order.Item, order.Quantity, order.Price, order.ShippingAddress, order.OrderStatus, order.CreationDate);

    protected override async Task ScriptDeletesAsync(long orderId) => await ExecuteAsync("DELETE FROM orders_payments_facts WHERE order_id = $1", orderId);

    private async Task ExecuteAsync(string text, params object?[] values)
    {
        await using var other = new SqliteConnection($"Data Source={_folder.File("ecomstream.db")};Pooling=False");
        await other.OpenAsync();
        await using var command = other.CreateCommand();
        command.CommandText = text;
        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters.AddWithValue($"${i + 1}", values[i]);
        }

        await command.ExecuteNonQueryAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>The double that other tests use keeps the same promises as the stores it stands for.</summary>
public sealed class InMemoryContractTests : FactStoreContract
{
    protected override Task<IFactStore> CreateAsync() => Task.FromResult<IFactStore>(new InMemoryFactStore());

    protected override Task<IFactStore?> ReopenAsync() => Task.FromResult<IFactStore?>(null);

    protected override Task ScriptInsertsAsync(Order order)
    {
        ((InMemoryFactStore)Store).ScriptInserts(order);
        return Task.CompletedTask;
    }

    protected override Task ScriptDeletesAsync(long orderId)
    {
        ((InMemoryFactStore)Store).ScriptDeletes(orderId);
        return Task.CompletedTask;
    }
}
