using EcomStream.Cql.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>A keyspace for the tests of one class, with the store's settings.</summary>
public sealed class StoreKeyspace : TestKeyspace
{
    /// <summary>Settings for the server; the test is skipped where there is no Cassandra.</summary>
    public static CassandraSettings ServerSettings => new(CassandraServer.Settings);

    /// <summary>Settings for the keyspace; the test is skipped where there is no Cassandra.</summary>
    public new CassandraSettings Settings => new(base.Settings) { Replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}" };
}
