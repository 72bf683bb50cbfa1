using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// Publishes single messages to one topic in batches: a batch goes when it is full by count or bytes, or when its first
/// message has waited for <c>batch-delay</c>. Messages with the same ordering key go one batch after the other; when one
/// fails for good, the key's later messages fail too, until <see cref="Resume"/>, so that none overtakes a lost one.
/// </summary>
public sealed class BatchingPublisher : IAsyncDisposable
{
    private readonly PubSubPublisher _publisher;
    private readonly string _topic;
    private readonly PublisherSettings _settings;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Lane> _lanes = [];
    private readonly HashSet<Task> _sending = [];
    private readonly CancellationTokenSource _aborted = new();
    private TaskCompletionSource? _change;
    private int _messages;
    private long _bytes;
    private bool _disposed;

    /// <summary>Makes a publisher; nothing is sent before it is used.</summary>
    /// <param name="connection">The connection; it is not disposed with the publisher.</param>
    /// <param name="topic">The topic's name, short or full.</param>
    public BatchingPublisher(PubSubConnection connection, string topic)
    {
        _publisher = new PubSubPublisher(connection);
        _topic = topic;
        _settings = connection.Settings.Publisher;
        _time = connection.Time;
    }

    /// <summary>What was taken and has no answer yet.</summary>
    public (int Messages, long Bytes) Outstanding
    {
        get
        {
            lock (_lock)
            {
                return (_messages, _bytes);
            }
        }
    }

    /// <summary>
    /// Takes a message when there is room for it, which is what the outer task waits for. Messages of one key keep the
    /// order in which they were taken.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Ends the waiting for room; a message that was taken is published all the same.</param>
    /// <returns>
    /// A task with the message's id, which fails with <see cref="PublishFailedException"/> when the message cannot be
    /// published, or one of its ordering key before it.
    /// </returns>
    public async ValueTask<Task<string>> EnqueueAsync(OutgoingMessage message, CancellationToken cancellationToken)
    {
        var bytes = PubSubPublisher.Size(message);
        while (true)
        {
            Task change;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (_messages == 0 || (_messages < _settings.MaxOutstandingMessages && _bytes + bytes <= _settings.MaxOutstandingBytes))
                {
                    return Take(message, bytes);
                }

                change = (_change ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await change.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Lets an ordering key be published again after a message of it has failed.</summary>
    public void Resume(string orderingKey)
    {
        lock (_lock)
        {
            if (_lanes.TryGetValue(orderingKey, out var lane))
            {
                lane.Failure = null;
            }
        }
    }

    /// <summary>Sends what waits for its batch, and completes when everything taken before the call has its answer.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        Task[] sending;
        lock (_lock)
        {
            foreach (var lane in _lanes.Values.ToArray())
            {
                Send(lane);
            }

            sending = [.. _sending];
        }

        await Task.WhenAll(sending).WaitAsync(cancellationToken);
    }

    /// <summary>Sends what was taken, for at most <c>request-timeout</c>; the tasks of the rest are cancelled.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        using var patience = new CancellationTokenSource(_settings.RequestTimeout, _time);
        try
        {
            await FlushAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            await _aborted.CancelAsync();
            await FlushAsync(CancellationToken.None);
        }

        TaskCompletionSource? waiting;
        lock (_lock)
        {
            (waiting, _change) = (_change, null);
        }

        waiting?.SetResult();
        await _publisher.DisposeAsync();
    }

    // Under the lock.
    private Task<string> Take(OutgoingMessage message, long bytes)
    {
        if (!_lanes.TryGetValue(message.OrderingKey, out var lane))
        {
            _lanes[message.OrderingKey] = lane = new Lane(message.OrderingKey);
        }

        if (lane.Failure is { } failure)
        {
            return Task.FromException<string>(failure);
        }

        if (lane.Open.Count > 0 && lane.OpenBytes + bytes > _settings.BatchBytes)
        {
            Send(lane);
        }

        var pending = new Pending(message, bytes);
        lane.Open.Add(pending);
        lane.OpenBytes += bytes;
        _messages++;
        _bytes += bytes;
        if (lane.Open.Count >= _settings.BatchMessages || lane.OpenBytes >= _settings.BatchBytes || _settings.BatchDelay == TimeSpan.Zero)
        {
            Send(lane);
        }
        else if (lane.Open.Count == 1)
        {
            _ = SendLaterAsync(lane, lane.Open);
        }

        return pending.Id.Task;
    }

    private async Task SendLaterAsync(Lane lane, List<Pending> batch)
    {
        await Task.Delay(_settings.BatchDelay, _time, _aborted.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            if (lane.Open == batch)
            {
                Send(lane);
            }
        }
    }

    // Under the lock.
    private void Send(Lane lane)
    {
        if (lane.Open.Count == 0)
        {
            return;
        }

        var batch = lane.Open;
        (lane.Open, lane.OpenBytes) = ([], 0);
        var before = lane.Key.Length > 0 ? lane.Last : Task.CompletedTask;
        var round = lane.Round;
        var sending = Task.Run(() => SendAsync(lane, batch, round, before));
        lane.Last = sending;
        _sending.Add(sending);
        _ = ForgetAsync(lane, sending);
    }

    private async Task ForgetAsync(Lane lane, Task sending)
    {
        await sending;
        lock (_lock)
        {
            _sending.Remove(sending);
            if (lane.Last == sending && lane.Open.Count == 0 && lane.Failure is null)
            {
                _lanes.Remove(lane.Key);
            }
        }
    }

    private async Task SendAsync(Lane lane, List<Pending> batch, int round, Task before)
    {
        await before;
        var failure = FailureBefore(lane, round);
        IReadOnlyList<string> ids = [];
        var cancelled = false;
        if (failure is null)
        {
            try
            {
                ids = await _publisher.PublishAsync(_topic, [.. batch.Select(pending => pending.Message)], _aborted.Token);
            }
            catch (PublishFailedException error)
            {
                failure = error;
                Failed(lane, error);
            }
            catch (OperationCanceledException)
            {
                cancelled = true;
            }
        }

        Release(batch);
        for (var i = 0; i < batch.Count; i++)
        {
            if (cancelled)
            {
                batch[i].Id.SetCanceled(_aborted.Token);
            }
            else if (failure is null)
            {
                batch[i].Id.SetResult(ids[i]);
            }
            else
            {
                batch[i].Id.SetException(failure);
            }
        }
    }

    // Of a batch that was taken before a message of its key failed, even if the key was resumed meanwhile.
    private PublishFailedException? FailureBefore(Lane lane, int round)
    {
        lock (_lock)
        {
            return round == lane.Round ? null : lane.LastFailure;
        }
    }

    private void Failed(Lane lane, PublishFailedException failure)
    {
        if (lane.Key.Length == 0)
        {
            return;
        }

        lock (_lock)
        {
            Send(lane);
            lane.Round++;
            (lane.Failure, lane.LastFailure) = (failure, failure);
        }
    }

    private void Release(List<Pending> batch)
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            _messages -= batch.Count;
            _bytes -= batch.Sum(pending => pending.Bytes);
            (waiting, _change) = (_change, null);
        }

        waiting?.SetResult();
    }

    private sealed record Pending(OutgoingMessage Message, long Bytes)
    {
        public TaskCompletionSource<string> Id { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>The messages of one ordering key, or all those without.</summary>
    private sealed class Lane(string key)
    {
        public string Key { get; } = key;

        public List<Pending> Open { get; set; } = [];

        public long OpenBytes { get; set; }

        public Task Last { get; set; } = Task.CompletedTask;

        /// <summary>Set until the key is resumed.</summary>
        public PublishFailedException? Failure { get; set; }

        /// <summary>Why batches of earlier rounds fail.</summary>
        public PublishFailedException? LastFailure { get; set; }

        /// <summary>How often the key has failed.</summary>
        public int Round { get; set; }
    }
}
