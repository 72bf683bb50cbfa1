using System.Text;
using EcomStream.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra.Tests.InMemory;

/// <summary>Stores over an <see cref="InMemoryClient"/>, and what other programs write to it.</summary>
internal static class InMemoryStores
{
    public static CassandraSettings Settings { get; } = new() { Replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}" };

    /// <summary>The current time, microseconds, as the write timestamp of another program.</summary>
    public static long Now => Timestamps.Micros(DateTimeOffset.UtcNow);

    public static CassandraFactStore Create(InMemoryClient client, CassandraSettings? settings = null, ILoggerFactory? loggers = null, TimeProvider? time = null) =>
        new(settings ?? Settings, _ => Task.FromResult<Seam.ICqlClient>(client), loggers, time);

    /// <summary>Inserts an order as the public scripts do: every column at the current time, null in those of the payment.</summary>
    public static void ScriptInserts(InMemoryClient client, string table, Order order) => client.Table(table).Write(
        new Dictionary<string, byte[]?>
        {
            ["order_id"] = InMemoryCells.Bytes(order.OrderId),
            ["customer_id"] = order.CustomerId is { } customer ? InMemoryCells.Bytes(customer) : null,
            ["item"] = Text(order.Item),
            ["quantity"] = order.Quantity is { } quantity ? InMemoryCells.Bytes(quantity) : null,
            ["price"] = order.Price is { } price ? InMemoryCells.Bytes(BitConverter.DoubleToInt64Bits(price)) : null,
            ["shipping_address"] = Text(order.ShippingAddress),
            ["order_status"] = Text(order.OrderStatus),
            ["creation_date"] = Text(order.CreationDate),
            ["payment_id"] = null,
            ["payment_method"] = null,
            ["card_last_four"] = null,
            ["payment_status"] = null,
            ["payment_datetime"] = null,
        },
        Now,
        ttl: 0,
        isInsert: true);

    private static byte[]? Text(string? text) => text is null ? null : Encoding.UTF8.GetBytes(text);
}
