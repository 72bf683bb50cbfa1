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
    private readonly LinkedList<Waiting> _waiting = new();
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
    /// Takes a message when there is room for it, which is what the outer task waits for. Messages are taken, and those of
    /// one key are published, in the order of the calls.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Ends the waiting for room; a message that was taken is published all the same.</param>
    /// <returns>
    /// A task with the message's id, which fails with <see cref="PublishFailedException"/> when the message cannot be
    /// published, or one of its ordering key before it.
    /// </returns>
    public async ValueTask<Task<string>> EnqueueAsync(OutgoingMessage message, CancellationToken cancellationToken)
    {
        var pending = new Pending(message, RequestSplit.Size(message));
        Waiting waiting;
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_waiting.Count == 0 && HasRoom(pending))
            {
                Take(pending);
                return pending.Id.Task;
            }

            waiting = new Waiting(pending);
            _waiting.AddLast(waiting.Node);
        }

        await using (cancellationToken.UnsafeRegister(_ => GiveUp(waiting, cancellationToken), null))
        {
            await waiting.Taken.Task;
        }

        return pending.Id.Task;
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
            foreach (var waiting in _waiting)
            {
                waiting.Taken.SetException(new ObjectDisposedException(nameof(BatchingPublisher)));
            }

            _waiting.Clear();
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

        await _publisher.DisposeAsync();
    }

    // Under the lock.
    private bool HasRoom(Pending pending) =>
        _messages == 0 || (_messages < _settings.MaxOutstandingMessages && _bytes + pending.Bytes <= _settings.MaxOutstandingBytes);

    // Under the lock: first come, first served.
    private void TakeWaiting()
    {
        while (_waiting.First is { Value: var next } && HasRoom(next.Pending))
        {
            _waiting.RemoveFirst();
            Take(next.Pending);
            next.Taken.SetResult();
        }
    }

    private void GiveUp(Waiting waiting, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (waiting.Node.List is null)
            {
                return;
            }

            _waiting.Remove(waiting.Node);
            waiting.Taken.SetCanceled(cancellationToken);
            TakeWaiting();
        }
    }

    // Under the lock.
    private void Take(Pending pending)
    {
        var key = pending.Message.OrderingKey;
        if (!_lanes.TryGetValue(key, out var lane))
        {
            _lanes[key] = lane = new Lane(key);
        }

        if (lane.Failure is { } failure)
        {
            pending.Id.SetException(failure);
            return;
        }

        if (lane.Open.Count > 0 && lane.OpenBytes + pending.Bytes > _settings.BatchBytes)
        {
            Send(lane);
        }

        lane.Open.Add(pending);
        lane.OpenBytes += pending.Bytes;
        _messages++;
        _bytes += pending.Bytes;
        if (lane.Open.Count >= _settings.BatchMessages || lane.OpenBytes >= _settings.BatchBytes || _settings.BatchDelay == TimeSpan.Zero)
        {
            Send(lane);
        }
        else if (lane.Open.Count == 1)
        {
            _ = SendLaterAsync(lane, lane.Sent);
        }
    }

    // It remembers how many batches went before and not the batch itself, which may be sent and done long before the delay is over.
    private async Task SendLaterAsync(Lane lane, long sent)
    {
        await Task.Delay(_settings.BatchDelay, _time, _aborted.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            if (lane.Sent == sent)
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
        lane.Sent++;
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
            catch (Exception error)
            {
                // An error that no one expects: whoever waits for these is told, and what waits behind them goes on.
                failure = new PublishFailedException($"Publishing {batch.Count} messages to topic {_topic} failed: {error.Message}", error);
                Failed(lane, failure);
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
        lock (_lock)
        {
            _messages -= batch.Count;
            _bytes -= batch.Sum(pending => pending.Bytes);
            TakeWaiting();
        }
    }

    private sealed record Pending(OutgoingMessage Message, long Bytes)
    {
        public TaskCompletionSource<string> Id { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>A message that there is no room for yet.</summary>
    private sealed class Waiting
    {
        public Waiting(Pending pending) => (Pending, Node) = (pending, new LinkedListNode<Waiting>(this));

        public Pending Pending { get; }

        public LinkedListNode<Waiting> Node { get; }

        public TaskCompletionSource Taken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>The messages of one ordering key, or all those without.</summary>
    private sealed class Lane(string key)
    {
        public string Key { get; } = key;

        public List<Pending> Open { get; set; } = [];

        public long OpenBytes { get; set; }

        /// <summary>How many batches have been sent.</summary>
        public long Sent { get; set; }

        public Task Last { get; set; } = Task.CompletedTask;

        /// <summary>Set until the key is resumed.</summary>
        public PublishFailedException? Failure { get; set; }

        /// <summary>Why batches of earlier rounds fail.</summary>
        public PublishFailedException? LastFailure { get; set; }

        /// <summary>How often the key has failed.</summary>
        public int Round { get; set; }
    }
}
