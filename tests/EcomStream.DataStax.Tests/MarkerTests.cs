using System.Text.RegularExpressions;
using EcomStream.Cassandra.Tests;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.DataStax.Tests;

/// <summary>The value without bytes that marks an order or payment whose columns are all null, as other programs read it.</summary>
public sealed partial class MarkerTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    [SkippableFact]
    public async Task The_statement_of_the_documentation_tells_the_marker_from_null_and_from_an_id()
    {
        await using var store = DataStaxStore.Create(keyspace.Settings);
        await store.InitializeAsync(default);
        await store.WriteAsync(
            [
                new FactWrite { OrderId = 1, Order = new Order { OrderId = 1 }, OrderStamp = new Stamp(1) },
                new FactWrite { OrderId = 2, Order = new Order { OrderId = 2, CustomerId = 7 }, OrderStamp = new Stamp(1) },
            ],
            default);
        var documented = Statement().Match(await File.ReadAllTextAsync(Path.Combine(SourceTree.Root, "docs", "clients.md"))).Value
            .Replace("ecom_store", keyspace.Settings.Keyspace, StringComparison.Ordinal);
        await using var client = await DriverClient.ConnectAsync(keyspace.Settings, default);

        var marked = await client.ExecuteAsync(documented.Replace("?", "1", StringComparison.Ordinal), default);
        marked.Next().ShouldBeTrue();
        (marked.IsNull(1), marked.Bytes(1).Length, marked.IsNull(2)).ShouldBe((false, 0, true));
        var known = await client.ExecuteAsync(documented.Replace("?", "2", StringComparison.Ordinal), default);
        known.Next().ShouldBeTrue();
        known.Bytes(1).ToArray().ShouldBe([0, 0, 0, 0, 0, 0, 0, 7]);
    }

    [GeneratedRegex("SELECT order_id, bigintAsBlob.*")]
    private static partial Regex Statement();
}
