using EcomStream.Cassandra;
using EcomStream.Cassandra.Tests;
using EcomStream.Core;

namespace EcomStream.DataStax.Tests;

/// <summary>The store contract on a real Cassandra over the DataStax driver.</summary>
public class DataStaxContractTests(StoreKeyspace keyspace) : CassandraContractTests(keyspace)
{
    protected override Task<IFactStore> CreateAsync() => Task.FromResult<IFactStore>(DataStaxStore.Create(Settings));
}

/// <summary>The same with one row per request, two connections and compressed frames.</summary>
public sealed class DataStaxCompressedSingleRowContractTests(StoreKeyspace keyspace) : DataStaxContractTests(keyspace)
{
    protected override CassandraSettings Settings =>
        base.Settings with { BatchRows = 1, Compression = true, ReadBatch = 1, ConnectionsPerNode = 2, MaxInFlight = 200 };
}
