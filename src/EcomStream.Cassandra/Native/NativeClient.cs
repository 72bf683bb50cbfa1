using EcomStream.Cassandra.Seam;
using EcomStream.Cql;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra.Native;

/// <summary>The store's client on EcomStream.Cql.</summary>
internal sealed class NativeClient(CqlSession session, CqlSettings settings) : ICqlClient
{
    /// <summary>Connects.</summary>
    /// <exception cref="CqlFault">No contact point answers, or a setting is wrong.</exception>
    public static async Task<ICqlClient> ConnectAsync(CqlSettings settings, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            return new NativeClient(await CqlSession.ConnectAsync(settings, logger, time, cancellationToken), settings);
        }
        catch (CqlException error)
        {
            throw NativeFaults.Of(error);
        }
    }

    public async ValueTask<IStatement> PrepareAsync(string cql, CancellationToken cancellationToken) =>
        new NativeStatement(await NativeFaults.Catch(session.PrepareAsync(cql, cancellationToken).AsTask()));

    public async Task<IPage> ReadAsync<TValues>(
        IStatement statement, string operation, ReplicaGroup replicas, TValues values, PageRequest page, CancellationToken cancellationToken)
        where TValues : struct, IStatementValues =>
        new NativePage(await NativeFaults.Catch(session.ReadAsync(
            ((NativeStatement)statement).Prepared,
            operation,
            (ReplicaSet)replicas.Nodes,
            writer =>
            {
                var cells = new NativeCells(writer);
                values.Write(ref cells);
            },
            cancellationToken,
            page.Size,
            page.State)));

    public IWriteBatch CreateBatch() => new NativeBatch(session.Version);

    public ValueTask WriteAsync(
        IWriteBatch batch, string operation, ReplicaGroup replicas, Action<Exception?> ended, CancellationToken cancellationToken) =>
        session.BeginAsync(
            ((NativeBatch)batch).Statements.ToRequest(settings.Consistency, operation),
            (ReplicaSet)replicas.Nodes,
            failure => ended(failure is CqlException error ? NativeFaults.Of(error) : failure),
            cancellationToken);

    public async Task<IPage> ExecuteAsync(string cql, CancellationToken cancellationToken) =>
        new NativePage(await NativeFaults.Catch(session.QueryAsync(cql, cancellationToken)));

    public ReplicaGroup ReplicasOf(ReadOnlySpan<byte> partitionKey) => new(session.ReplicasOf(Murmur3.Token(partitionKey)));

    public int Confirming(ReplicaGroup replicas) =>
        ((ReplicaSet)replicas.Nodes).Confirming(settings.Consistency, session.LocalDatacenter);

    public void OnNodeLost(Action<Func<ReplicaGroup, bool>> lost) =>
        session.OnNodeLost(node => lost(replicas => ((ReplicaSet)replicas.Nodes).Nodes.Contains(node)));

    public ValueTask DisposeAsync() => session.DisposeAsync();
}
