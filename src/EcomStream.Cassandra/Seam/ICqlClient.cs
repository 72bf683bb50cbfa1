namespace EcomStream.Cassandra.Seam;

/// <summary>
/// What the store needs of a client of Cassandra. Tasks fail with
/// <see cref="CqlFault"/>. All members may be called concurrently.
/// </summary>
internal interface ICqlClient : IAsyncDisposable
{
    /// <summary>Prepares a statement on the cluster, once.</summary>
    ValueTask<IStatement> PrepareAsync(string cql, CancellationToken cancellationToken);

    /// <summary>Executes a prepared read and returns one page.</summary>
    /// <param name="statement">The statement.</param>
    /// <param name="operation">What it does, for errors, such as "read 20 orders".</param>
    /// <param name="replicas">The nodes that hold its partitions.</param>
    /// <param name="values">The values of all its parameters, in order.</param>
    /// <param name="page">Which page to read.</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    Task<IPage> ReadAsync<TValues>(
        IStatement statement, string operation, ReplicaGroup replicas, TValues values, PageRequest page, CancellationToken cancellationToken)
        where TValues : struct, IStatementValues;

    /// <summary>Makes an empty batch.</summary>
    IWriteBatch CreateBatch();

    /// <summary>
    /// Sends a batch. Completes when the client can take another one, with the write still on its way; the batch may
    /// be cleared and filled again then.
    /// </summary>
    /// <param name="batch">The statements, all for the partitions of <paramref name="replicas"/>.</param>
    /// <param name="operation">What it does, for errors.</param>
    /// <param name="replicas">The nodes that hold its partitions.</param>
    /// <param name="ended">Called once when the write has ended: with null when it is confirmed, otherwise with the error.</param>
    /// <param name="cancellationToken">Stops waiting for room.</param>
    ValueTask WriteAsync(IWriteBatch batch, string operation, ReplicaGroup replicas, Action<Exception?> ended, CancellationToken cancellationToken);

    /// <summary>
    /// Executes CQL text without values: DDL, or a small read of a system table. After a schema change it completes
    /// when the nodes agree on the schema.
    /// </summary>
    Task<IPage> ExecuteAsync(string cql, CancellationToken cancellationToken);

    /// <summary>The nodes that hold a partition of the settings' keyspace.</summary>
    /// <param name="partitionKey">The key as CQL serializes it.</param>
    ReplicaGroup ReplicasOf(ReadOnlySpan<byte> partitionKey);

    /// <summary>How many of some nodes hold a write for certain once it is confirmed, at the settings' consistency.</summary>
    int Confirming(ReplicaGroup replicas);

    /// <summary>
    /// Registers a callback for when a node may have lost what it confirmed lately: its connection was lost, the
    /// cluster reported it down, or it was removed or got another address.
    /// </summary>
    /// <param name="lost">Called with a function that tells whether a replica group contains the node.</param>
    void OnNodeLost(Action<Func<ReplicaGroup, bool>> lost);
}
