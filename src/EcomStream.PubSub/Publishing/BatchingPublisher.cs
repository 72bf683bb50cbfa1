using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// Publishes single messages to one topic in batches: a batch goes when it is full by count or bytes, or when its first
/// message has waited for <c>batch-delay</c>. Messages with the same ordering key go one batch after the other; when one
/// fails for good, the key's later messages fail too, until <see cref="Resume"/>, so that none overtakes a lost one. At most
/// <c>parallelism</c> calls are under way, whatever the number of keys, and a message that is not published within
/// <c>total-timeout</c> fails.
/// </summary>
public sealed partial class BatchingPublisher : IAsyncDisposable
{
    private readonly PubSubPublisher _publisher;
    private readonly PubSubSettings _connection;
    private readonly PublisherSettings _settings;
    private readonly string _topic;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _slots;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, PublishLane> _lanes = [];
    private readonly HashSet<Task> _sending = [];
    private readonly CancellationTokenSource _aborted = new();
    private readonly LinkedList<PendingPublish> _waiting = new();
    private int _messages;
    private long _bytes;
    private bool _disposed;

    /// <summary>Makes a publisher; nothing is sent before it is used.</summary>
    /// <param name="connection">The connection; it is not disposed with the publisher.</param>
    /// <param name="topic">The topic's name, short or full.</param>
    public BatchingPublisher(PubSubConnection connection, string topic)
    {
        _publisher = new PubSubPublisher(connection);
        _connection = connection.Settings;
        _settings = connection.Settings.Publisher;
        _topic = topic;
        _time = connection.Time;
        _slots = new SemaphoreSlim(_settings.Parallelism);
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
    /// <param name="cancellationToken">
    /// Cancels both tasks. A message that has not been sent is removed; one that has been may be published all the same.
    /// </param>
    /// <returns>
    /// A task with the message's id, which fails with <see cref="PublishFailedException"/> when the message cannot be
    /// published, or not within <c>total-timeout</c>, or one of its ordering key before it could not.
    /// </returns>
    public async ValueTask<Task<string>> EnqueueAsync(OutgoingMessage message, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var pending = new PendingPublish(message);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_waiting.Count == 0 && HasRoom(pending))
            {
                Take(pending);
            }
            else
            {
                pending.Waiting = _waiting.AddLast(pending);
            }
        }

        if (cancellationToken.CanBeCanceled)
        {
            _ = CancelWithAsync(pending, cancellationToken);
        }

        if (pending.Waiting is not null)
        {
            await pending.Taken.Task;
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
                ForgetIfIdle(lane);
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
                waiting.Id.TrySetCanceled();
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
    private void Send(PublishLane lane)
    {
        if (lane.Open is not { } batch)
        {
            return;
        }

        lane.Open = null;
        lane.Closed++;
        var before = lane.Key.Length > 0 ? lane.Last : Task.CompletedTask;
        var round = lane.Round;
        var sending = Task.Run(() => SendAsync(lane, batch, round, before));
        lane.Last = sending;
        _sending.Add(sending);
        _ = ForgetAsync(lane, sending);
    }

    private async Task ForgetAsync(PublishLane lane, Task sending)
    {
        await sending;
        lock (_lock)
        {
            _sending.Remove(sending);
            ForgetIfIdle(lane);
        }
    }

    private async Task SendAsync(PublishLane lane, PublishBatch batch, int round, Task before)
    {
        await before;
        var failure = FailureBefore(lane, round);
        IReadOnlyList<string> ids = [];
        var cancelled = false;
        if (failure is null)
        {
            try
            {
                ids = await PublishAsync(batch);
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
                // An unexpected error: these publishes fail with it, and those behind them continue.
                failure = new PublishFailedException($"Publishing {batch.Messages.Count} messages to topic {_topic} failed: {error.Message}", error);
                Failed(lane, failure);
            }
        }

        foreach (var (n, pending) in Finish(batch).Index())
        {
            _ = cancelled ? pending.Id.TrySetCanceled(_aborted.Token)
                : failure is null ? pending.Id.TrySetResult(ids[n])
                : pending.Id.TrySetException(failure);
        }
    }

    private async Task<IReadOnlyList<string>> PublishAsync(PublishBatch batch)
    {
        var left = _settings.TotalTimeout - _time.GetElapsedTime(batch.TakenAt);
        using var timeout = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _aborted.Token);
        var count = 0;
        try
        {
            await _slots.WaitAsync(ending.Token);
            try
            {
                var messages = Start(batch);
                count = messages.Length;
                return count == 0 ? [] : await _publisher.PublishAsync(_topic, messages, ending.Token);
            }
            finally
            {
                _slots.Release();
            }
        }
        catch (OperationCanceledException over) when (timeout.IsCancellationRequested && !_aborted.IsCancellationRequested)
        {
            var last = over.InnerException as Grpc.Core.RpcException;
            throw new PublishFailedException(
                $"Publishing {Start(batch).Length} messages to {_connection.TopicName(_topic)} on {_connection.Endpoint} was given up after "
                + $"{_settings.TotalTimeout.TotalSeconds:0.###} s (ecomstream.pubsub.publisher.total-timeout): "
                + (count == 0 ? "other requests took all of that time." : $"they may have been published or not. The last error was {last?.StatusCode} ({last?.Status.Detail})."),
                over.InnerException);
        }
    }

    // From here on nothing is taken out of the batch.
    private OutgoingMessage[] Start(PublishBatch batch)
    {
        lock (_lock)
        {
            batch.IsSent = true;
            return [.. batch.Messages.Select(pending => pending.Message)];
        }
    }

    private List<PendingPublish> Finish(PublishBatch batch)
    {
        lock (_lock)
        {
            batch.IsSent = true;
            Release(batch.Messages.Count, batch.Bytes);
            TakeWaiting();
            return batch.Messages;
        }
    }
}
