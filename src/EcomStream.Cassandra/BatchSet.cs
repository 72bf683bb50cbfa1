using EcomStream.Cassandra.Cluster;

namespace EcomStream.Cassandra;

/// <summary>
/// The rows of one call, as batches of one replica set each, within <see cref="CassandraSettings.BatchRows"/> and
/// <see cref="CassandraSettings.BatchBytes"/>. A batch that is full is on its way while the next one is filled.
/// </summary>
internal sealed class BatchSet(CqlSession session, CassandraSettings settings, string name) : IDisposable
{
    private readonly Dictionary<ReplicaSet, StatementBatch> _open = [];
    private readonly List<Task> _sent = [];

    /// <summary>The batch for a row of this token; <see cref="RowIsComplete"/> must follow with it when the row is in it.</summary>
    public StatementBatch For(long token)
    {
        var replicas = session.ReplicasOf(token);
        if (!_open.TryGetValue(replicas, out var batch))
        {
            _open.Add(replicas, batch = new StatementBatch(replicas, session.Version));
        }

        return batch;
    }

    public void RowIsComplete(StatementBatch batch)
    {
        batch.Rows++;
        if (batch.Rows >= settings.BatchRows || batch.Length >= settings.BatchBytes)
        {
            _open.Remove(batch.Replicas);
            Send(batch);
        }
    }

    /// <summary>Sends what is left, and completes when every batch is written.</summary>
    /// <exception cref="CqlException">One was not; others may have been.</exception>
    public async Task SendAsync(CancellationToken cancellationToken)
    {
        foreach (var batch in _open.Values)
        {
            Send(batch);
        }

        _open.Clear();
        await Task.WhenAll(_sent).WaitAsync(cancellationToken);
    }

    public void Dispose()
    {
        foreach (var batch in _open.Values)
        {
            batch.Dispose();
        }
    }

    private void Send(StatementBatch batch)
    {
        using (batch)
        {
            var request = batch.ToRequest(settings.Consistency, $"{name} ({batch.Rows} rows)");
            _sent.Add(session.SendAsync(request, batch.Replicas, speculative: false, CancellationToken.None));
        }
    }
}
