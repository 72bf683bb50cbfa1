using Cassandra;
using EcomStream.Cassandra.Encoded;
using EcomStream.Cassandra.Seam;
using EcomStream.Cql;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using DriverStatement = Cassandra.Statement;
using IStatement = EcomStream.Cassandra.Seam.IStatement;

namespace EcomStream.DataStax;

/// <summary>The store's client on the DataStax C# driver.</summary>
internal sealed class DriverClient : ICqlClient
{
    private readonly CqlSettings _settings;
    private readonly global::Cassandra.Cluster _cluster;
    private readonly ISession _session;
    private readonly TlsHandshake? _tls;
    private readonly string _localDatacenter;
    private readonly ReplicaGroups _replicas = new();

    // The driver has no limit of its own on what waits for a connection: it refuses a request that is one too many.
    private readonly SemaphoreSlim _room;

    private DriverClient(CqlSettings settings, global::Cassandra.Cluster cluster, ISession session, TlsHandshake? tls, string localDatacenter)
    {
        (_settings, _cluster, _session, _tls, _localDatacenter) = (settings, cluster, session, tls, localDatacenter);
        _room = new SemaphoreSlim(settings.MaxInFlight * settings.ConnectionsPerNode);
    }

    /// <summary>Connects.</summary>
    /// <exception cref="CqlFault">No contact point answers, or a setting is wrong.</exception>
    public static async Task<ICqlClient> ConnectAsync(CqlSettings settings, CancellationToken cancellationToken)
    {
        TlsHandshake? tls = null;
        global::Cassandra.Cluster? cluster = null;
        try
        {
            tls = settings.Tls is { } files ? new TlsHandshake(files) : null;
            var balancing = new DCAwareRoundRobinPolicy(settings.LocalDatacenter.Length > 0 ? settings.LocalDatacenter : null);
            cluster = await ClusterOptions.BuildAsync(settings, balancing, tls, cancellationToken);
            var session = await cluster.ConnectAsync().WaitAsync(cancellationToken);
            return new DriverClient(settings, cluster, session, tls, balancing.LocalDc);
        }
        catch (Exception failed)
        {
            if (cluster is not null)
            {
                await cluster.ShutdownAsync();
            }

            tls?.Dispose();
            if (DriverFaults.AtStart(failed, tls) is { } fault)
            {
                throw fault;
            }

            throw;
        }
    }

    public async ValueTask<IStatement> PrepareAsync(string cql, CancellationToken cancellationToken) =>
        new Prepared(cql, await RunAsync("prepare a statement", () => _session.PrepareAsync(cql), cancellationToken));

    public async Task<IPage> ReadAsync<TValues>(
        IStatement statement, string operation, ReplicaGroup replicas, TValues values, PageRequest page, CancellationToken cancellationToken)
        where TValues : struct, IStatementValues
    {
        // An IN restriction has no routing key that the driver could find.
        var bound = ((Prepared)statement).Statement.Bind([.. EncodedCells.Of(values)]);
        bound.SetRoutingKey(new RoutingKey(((Replicas)replicas.Nodes).PartitionKey))
            .SetIdempotence(true)
            .SetConsistencyLevel(ClusterOptions.Level(_settings.Consistency))
            .SetAutoPage(false)
            .SetPageSize(page.Size > 0 ? page.Size : int.MaxValue)
            .SetPagingState(page.State);
        return new DriverPage(await RunAsync(operation, () => _session.ExecuteAsync(bound, ClusterOptions.Reads), cancellationToken));
    }

    public IWriteBatch CreateBatch() => new EncodedBatch();

    public async ValueTask WriteAsync(
        IWriteBatch batch, string operation, ReplicaGroup replicas, Action<Exception?> ended, CancellationToken cancellationToken)
    {
        // The batch may be filled again when this returns, so the driver's statement is made first.
        var statement = ToStatement((EncodedBatch)batch);
        await _room.WaitAsync(cancellationToken);
        _ = SendAsync(statement, operation, ended);
    }

    public async Task<IPage> ExecuteAsync(string cql, CancellationToken cancellationToken)
    {
        var statement = new SimpleStatement(cql)
            .SetReadTimeoutMillis(ClusterOptions.Milliseconds(_settings.SchemaTimeout))
            .SetAutoPage(false)
            .SetPageSize(int.MaxValue);
        return new DriverPage(await RunAsync("execute CQL", () => _session.ExecuteAsync(statement), cancellationToken));
    }

    public ReplicaGroup ReplicasOf(ReadOnlySpan<byte> partitionKey)
    {
        var key = partitionKey.ToArray();
        return _replicas.Of(_cluster.Metadata.GetReplicas(_settings.Keyspace, key), key);
    }

    public int Confirming(ReplicaGroup replicas) =>
        Confirmations.Of(_settings.Consistency, [.. ((Replicas)replicas.Nodes).Hosts.Select(host => host.Datacenter)], _localDatacenter);

    public void OnNodeLost(Action<Func<ReplicaGroup, bool>> lost)
    {
        _cluster.HostRemoved += host => Report(host.Address);
        _cluster.Metadata.HostsEvent += (_, change) =>
        {
            if (change.What == HostsEventArgs.Kind.Down)
            {
                Report(change.Address);
            }
        };

        void Report(System.Net.IPEndPoint address) =>
            lost(replicas => ((Replicas)replicas.Nodes).Hosts.Any(host => host.Address.Equals(address)));
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.ShutdownAsync(ClusterOptions.Milliseconds(_settings.RequestTimeout));
        _tls?.Dispose();
        _room.Dispose();
    }

    private DriverStatement ToStatement(EncodedBatch batch)
    {
        DriverStatement statement;
        if (batch.Statements is [var (only, onlyValues)])
        {
            statement = ((Prepared)only).Statement.Bind([.. onlyValues]);
        }
        else
        {
            var rows = new BatchStatement();
            rows.SetBatchType(BatchType.Unlogged);
            foreach (var (prepared, values) in batch.Statements)
            {
                rows.Add(((Prepared)prepared).Statement.Bind([.. values]));
            }

            statement = rows;
        }

        // Each statement carries its own USING TIMESTAMP, so writing it again changes nothing. The driver's timestamp is
        // that of a whole batch.
        statement.SetIdempotence(true).SetConsistencyLevel(ClusterOptions.Level(_settings.Consistency));
        return statement;
    }

    private async Task SendAsync(DriverStatement statement, string operation, Action<Exception?> ended)
    {
        Exception? failure = null;
        try
        {
            await _session.ExecuteAsync(statement).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            failure = DriverFaults.Of(error, operation) ?? error;
        }

        Release();
        ended(failure);
    }

    private async Task<T> RunAsync<T>(string operation, Func<Task<T>> request, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        Task<T> running;
        try
        {
            running = request();
        }
        catch
        {
            Release();
            throw;
        }

        // The request keeps its room until it has ended, also when its caller no longer waits.
        _ = running.ContinueWith(
            static (ended, client) =>
            {
                _ = ended.Exception;
                ((DriverClient)client!).Release();
            },
            this,
            CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        try
        {
            return await running.WaitAsync(cancellationToken);
        }
        catch (Exception error) when (DriverFaults.Of(error, operation) is { } fault)
        {
            throw fault;
        }
    }

    private void Release()
    {
        try
        {
            _room.Release();
        }
        catch (ObjectDisposedException)
        {
            // The client was disposed while the request was under way.
        }
    }

    /// <summary>A statement that the driver has prepared.</summary>
    private sealed record Prepared(string Cql, global::Cassandra.PreparedStatement Statement) : IStatement;
}
