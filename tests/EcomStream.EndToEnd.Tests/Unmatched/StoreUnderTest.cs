using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.Sqlite;

namespace EcomStream.EndToEnd.Tests.Unmatched;

/// <summary>A store of a test's own, for the program and for the test beside it.</summary>
internal sealed class StoreUnderTest
{
    private const string CassandraVariable = "ECOMSTREAM_TEST_CASSANDRA";

    private readonly Func<IFactStore> _open;

    private StoreUnderTest(IReadOnlyList<string> arguments, Func<IFactStore> open) => (Arguments, _open) = (arguments, open);

    /// <summary>What makes the program use it.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>The embedded store, in the data folder of a workplace.</summary>
    public static StoreUnderTest Sqlite(Workplace place) => new(
        [],
        () => new SqliteFactStore(new SqliteSettings(place.Database)));

    /// <summary>A keyspace in the real Cassandra; the test is skipped where there is none.</summary>
    public static StoreUnderTest Cassandra(Workplace place)
    {
        var endpoint = Environment.GetEnvironmentVariable(CassandraVariable);
        Skip.If(string.IsNullOrEmpty(endpoint), $"needs Apache Cassandra with the role admin/admin: start one and set {CassandraVariable}=host:port");
        var settings = new CassandraSettings
        {
            ContactPoints = [endpoint!], Username = "admin", Password = "admin", Keyspace = $"e2e_{Guid.NewGuid():n}"[..16],
            Replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}",
        };
        return new StoreUnderTest(
            [
                "--set", "ecomstream.store.kind=cassandra",
                "--set", "ecomstream.store.cassandra.replication={'class': 'SimpleStrategy', 'replication_factor': 1}",
                "--set", $"ecomstream.store.cassandra.contact-points={endpoint}",
                "--set", "ecomstream.store.cassandra.username=admin",
                "--set", "ecomstream.store.cassandra.password=admin",
                "--set", $"ecomstream.store.cassandra.keyspace={settings.Keyspace}",
                "--set", "ecomstream.writer.writers=2",
                "--set", "ecomstream.writer.max-in-flight=4",
            ],
            () => new CassandraFactStore(settings));
    }

    public async Task<IFactStore> OpenAsync()
    {
        var store = _open();
        await store.InitializeAsync(CancellationToken.None);
        return store;
    }

    /// <summary>All unmatched rows.</summary>
    public static async Task<List<UnmatchedPayment>> UnmatchedAsync(IFactStore store) =>
        await store.ListUnmatchedAsync(new UnmatchedQuery(), CancellationToken.None).ToListAsync();

    /// <summary>How many orders, numbered from 1, have both sides, with the payment that the simulator gives them.</summary>
    public static async Task<int> CompleteAsync(IFactStore store, int orders)
    {
        var complete = 0;
        foreach (var ids in Enumerable.Range(1, orders).Select(id => (long)id).Chunk(5_000))
        {
            complete += (await store.ReadAsync(ids, CancellationToken.None))
                .Count(row => row?.Order is not null && row.Payment?.PaymentId == row.OrderId + 1_000);
        }

        return complete;
    }
}
