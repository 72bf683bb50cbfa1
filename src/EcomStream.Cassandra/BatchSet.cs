using EcomStream.Cassandra.Cluster;

namespace EcomStream.Cassandra;

/// <summary>
/// The rows of one call, as batches of one replica set each, within <see cref="CassandraSettings.BatchRows"/> and
/// <see cref="CassandraSettings.BatchBytes"/>: a row that is larger by itself goes alone, as Cassandra refuses large
/// batches of several partitions (batch_size_fail_threshold) and so would refuse the other rows with it. A batch that
/// is full is on its way while the next one is filled.
/// </summary>
internal sealed class BatchSet(CqlSession session, CassandraSettings settings, string operation) : IDisposable
{
    private readonly Dictionary<ReplicaSet, StatementBatch> _open = [];
    private readonly Stack<StatementBatch> _spare = [];
    private readonly WriteGroup _writes = new();

    /// <summary>Takes the statements of the next row, before it is added.</summary>
    public StatementBatch Row { get; } = new(session.Version);

    /// <summary>Bytes of all rows so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds the row; completes when there is room for another one.</summary>
    /// <param name="token">Its partition's token.</param>
    /// <param name="cancellationToken">Gives it up; what is on its way may be written all the same.</param>
    public async ValueTask AddAsync(long token, CancellationToken cancellationToken)
    {
        Bytes += Row.Length;
        var replicas = session.ReplicasOf(token);
        if (_open.TryGetValue(replicas, out var batch) && batch.Length + Row.Length > settings.BatchBytes)
        {
            await SendAsync(replicas, batch, cancellationToken);
            batch = null;
        }

        if (batch is null)
        {
            _open[replicas] = batch = _spare.TryPop(out var spare) ? spare : new StatementBatch(session.Version);
        }

        batch.Append(Row);
        Row.Clear();
        if (batch.Rows >= settings.BatchRows || batch.Length >= settings.BatchBytes)
        {
            await SendAsync(replicas, batch, cancellationToken);
        }
    }

    /// <summary>Sends what is left, and completes when every batch is written.</summary>
    /// <exception cref="CqlException">One was not; others may have been.</exception>
    public async Task SendAsync(CancellationToken cancellationToken)
    {
        foreach (var (replicas, batch) in _open.ToArray())
        {
            await SendAsync(replicas, batch, cancellationToken);
        }

        await _writes.EndedAsync().WaitAsync(cancellationToken);
    }

    public void Dispose()
    {
        Row.Dispose();
        foreach (var batch in _open.Values.Concat(_spare))
        {
            batch.Dispose();
        }
    }

    private ValueTask SendAsync(ReplicaSet replicas, StatementBatch batch, CancellationToken cancellationToken)
    {
        var request = batch.ToRequest(settings.Consistency, operation);
        batch.Clear();
        _open.Remove(replicas);
        _spare.Push(batch);
        return session.BeginAsync(request, replicas, _writes, cancellationToken);
    }
}
