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
