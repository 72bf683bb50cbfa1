using EcomStream.Cassandra.Cluster;

namespace EcomStream.Cassandra;

/// <summary>
/// The rows of one call, as batches of one replica set each, within <see cref="CassandraSettings.BatchRows"/> and
/// <see cref="CassandraSettings.BatchBytes"/>: a row that is larger by itself goes alone, as Cassandra refuses large
/// batches of several partitions (batch_size_fail_threshold) and so would refuse the other rows with it. A batch that
/// is full is on its way while the next one is filled.
/// </summary>
internal sealed class BatchSet(CqlSession session, CassandraSettings settings, string name) : IDisposable
{
    private readonly Dictionary<ReplicaSet, StatementBatch> _open = [];
    private readonly StatementBatch _row = new(session.Version);
    private readonly List<Task> _sent = [];

    /// <summary>Bytes of all rows so far.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds a row.</summary>
    /// <param name="token">Its partition's token.</param>
    /// <param name="write">Writes its statements.</param>
    public void Add(long token, Action<StatementBatch> write)
    {
        _row.Clear();
        write(_row);
        Bytes += _row.Length;
        var replicas = session.ReplicasOf(token);
        if (_open.TryGetValue(replicas, out var batch) && batch.Length + _row.Length > settings.BatchBytes)
        {
            Send(replicas, batch);
            _open.Remove(replicas);
            batch = null;
        }

        if (batch is null)
        {
            _open.Add(replicas, batch = new StatementBatch(session.Version));
        }

        batch.Append(_row);
        if (batch.Rows >= settings.BatchRows || batch.Length >= settings.BatchBytes)
        {
            _open.Remove(replicas);
            Send(replicas, batch);
        }
    }

    /// <summary>Sends what is left, and completes when every batch is written.</summary>
    /// <exception cref="CqlException">One was not; others may have been.</exception>
    public async Task SendAsync(CancellationToken cancellationToken)
    {
        foreach (var (replicas, batch) in _open)
        {
            Send(replicas, batch);
        }

        _open.Clear();
        await Task.WhenAll(_sent).WaitAsync(cancellationToken);
    }

    public void Dispose()
    {
        _row.Dispose();
        foreach (var batch in _open.Values)
        {
            batch.Dispose();
        }
    }

    private void Send(ReplicaSet replicas, StatementBatch batch)
    {
        using (batch)
        {
            var request = batch.ToRequest(settings.Consistency, $"{name} ({batch.Rows} rows)");
            _sent.Add(session.SendAsync(request, replicas, speculative: false, CancellationToken.None));
        }
    }
}
