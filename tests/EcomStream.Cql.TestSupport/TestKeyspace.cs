using EcomStream.Cql.Cluster;

namespace EcomStream.Cql.TestSupport;

/// <summary>A keyspace for the tests of one class, dropped after them.</summary>
public class TestKeyspace : IAsyncLifetime
{
    private readonly string _name = $"test_{Guid.NewGuid():N}"[..20];

    /// <summary>Settings for it; the test is skipped where there is no Cassandra.</summary>
    public CqlSettings Settings => CassandraServer.Settings with { Keyspace = _name };

    /// <summary>A session, with the keyspace and a table in it.</summary>
    internal async Task<CqlSession> SessionWithTableAsync(string table, string columns)
    {
        var session = await CassandraServer.ConnectAsync(Settings);
        await session.QueryAsync($"CREATE KEYSPACE IF NOT EXISTS {_name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}", default);
        await session.QueryAsync($"CREATE TABLE {_name}.{table} ({columns})", default);
        return session;
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (CassandraServer.IsThere)
        {
            await using var session = await CassandraServer.ConnectAsync(Settings);
            await session.QueryAsync($"DROP KEYSPACE IF EXISTS {_name}", CancellationToken.None);
        }
    }
}
