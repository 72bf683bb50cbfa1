using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Writing;

/// <summary>
/// The rows of one call as batches, each for one replica group and within <see cref="CassandraSettings.BatchRows"/> and
/// <see cref="CassandraSettings.BatchBytes"/>. A row that is larger than that goes alone: Cassandra refuses large
/// batches of several partitions (batch_size_fail_threshold), and the other rows would be refused with it. A full batch
/// is on its way while the next one is filled.
/// </summary>
internal sealed class BatchSet(ICqlClient client, CassandraSettings settings, string operation) : IDisposable
{
    private readonly Dictionary<ReplicaGroup, IWriteBatch> _open = [];
    private readonly Stack<IWriteBatch> _spare = [];
    private readonly WriteGroup _writes = new();

    /// <summary>Takes the statements of the next row, before it is added.</summary>
    public IWriteBatch Row { get; } = client.CreateBatch();

    /// <summary>Bytes of all rows so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds the row; completes when there is room for another one.</summary>
    /// <param name="replicas">The nodes that hold its partition.</param>
    /// <param name="cancellationToken">Stops waiting; batches that were sent may be written all the same.</param>
    public async ValueTask AddAsync(ReplicaGroup replicas, CancellationToken cancellationToken)
    {
        Bytes += Row.Length;
        if (_open.TryGetValue(replicas, out var batch) && batch.Length + Row.Length > settings.BatchBytes)
        {
            await SendAsync(replicas, batch, cancellationToken);
            batch = null;
        }

        if (batch is null)
        {
            _open[replicas] = batch = _spare.TryPop(out var spare) ? spare : client.CreateBatch();
        }

        batch.Append(Row);
        Row.Clear();
        if (batch.Rows >= settings.BatchRows || batch.Length >= settings.BatchBytes)
        {
            await SendAsync(replicas, batch, cancellationToken);
        }
    }

    /// <summary>Sends the remaining batches, and completes when every batch is written.</summary>
    /// <exception cref="CqlFault">One failed; others may have been written.</exception>
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

    private ValueTask SendAsync(ReplicaGroup replicas, IWriteBatch batch, CancellationToken cancellationToken)
    {
        _open.Remove(replicas);
        _writes.Began();
        var room = client.WriteAsync(batch, operation, replicas, _writes.Ended, cancellationToken);
        if (!room.IsCompletedSuccessfully)
        {
            return WaitAsync(room, batch);
        }

        Spare(batch);
        return ValueTask.CompletedTask;
    }

    private async ValueTask WaitAsync(ValueTask room, IWriteBatch batch)
    {
        await room;
        Spare(batch);
    }

    private void Spare(IWriteBatch batch)
    {
        batch.Clear();
        _spare.Push(batch);
    }
}
