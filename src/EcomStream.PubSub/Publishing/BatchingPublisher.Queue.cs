using EcomStream.Core;

namespace EcomStream.PubSub;

// What the publisher holds and has not sent: room, those that wait for it, and the batches that take messages.
public sealed partial class BatchingPublisher
{
    // Under the lock.
    private bool HasRoom(PendingPublish pending) =>
        _messages == 0 || (_messages < _settings.MaxOutstandingMessages && _bytes + pending.Bytes <= _settings.MaxOutstandingBytes);

    // Under the lock: first come, first served.
    private void TakeWaiting()
    {
        while (_waiting.First is { Value: var next } && HasRoom(next))
        {
            _waiting.RemoveFirst();
            Take(next);
            next.Taken.SetResult();
        }
    }

    private async Task CancelWithAsync(PendingPublish pending, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(_ => Cancel(pending, cancellationToken), null);
        await ((Task)pending.Id.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void Cancel(PendingPublish pending, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (pending.Waiting is { List: not null } node)
            {
                _waiting.Remove(node);
                pending.Taken.SetCanceled(cancellationToken);
            }
            else if (pending.Batch is { IsSent: false } batch && batch.Messages.Remove(pending))
            {
                batch.Bytes -= pending.Bytes;
                Release(1, pending.Bytes);
                ForgetIfEmpty(pending.Message.OrderingKey, batch);
            }

            pending.Id.TrySetCanceled(cancellationToken);
            TakeWaiting();
        }
    }

    // Under the lock.
    private void Take(PendingPublish pending)
    {
        var key = pending.Message.OrderingKey;
        if (!_lanes.TryGetValue(key, out var lane))
        {
            _lanes[key] = lane = new PublishLane(key);
        }

        if (lane.Failure is { } failure)
        {
            pending.Id.SetException(failure);
            return;
        }

        if (lane.Open is { } full && full.Bytes + pending.Bytes > _settings.BatchBytes)
        {
            Send(lane);
        }

        var batch = lane.Open ??= new PublishBatch(_time.GetTimestamp());
        pending.Batch = batch;
        batch.Messages.Add(pending);
        batch.Bytes += pending.Bytes;
        _messages++;
        _bytes += pending.Bytes;
        if (batch.Messages.Count >= _settings.BatchMessages || batch.Bytes >= _settings.BatchBytes || _settings.BatchDelay == TimeSpan.Zero)
        {
            Send(lane);
        }
        else if (batch.Messages.Count == 1)
        {
            _ = SendLaterAsync(lane, lane.Closed);
        }
    }

    // It remembers how many batches went before and not the batch itself, which may be sent and done long before the delay is over.
    private async Task SendLaterAsync(PublishLane lane, long closed)
    {
        await Task.Delay(_settings.BatchDelay, _time, _aborted.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            if (lane.Closed == closed)
            {
                Send(lane);
            }
        }
    }

    // Under the lock.
    private void ForgetIfIdle(PublishLane lane)
    {
        if (lane.IsIdle && _lanes.GetValueOrDefault(lane.Key) == lane)
        {
            _lanes.Remove(lane.Key);
        }
    }

    // Under the lock.
    private void ForgetIfEmpty(string key, PublishBatch batch)
    {
        if (batch.Messages.Count == 0 && _lanes.TryGetValue(key, out var lane) && lane.Open == batch)
        {
            lane.Open = null;
            lane.Closed++;
            ForgetIfIdle(lane);
        }
    }

    // Under the lock.
    private void Release(int messages, long bytes)
    {
        _messages -= messages;
        _bytes -= bytes;
    }

    // Of a batch that was taken before a message of its key failed, even if the key was resumed meanwhile.
    private PublishFailedException? FailureBefore(PublishLane lane, int round)
    {
        lock (_lock)
        {
            return round == lane.Round ? null : lane.LastFailure;
        }
    }

    private void Failed(PublishLane lane, PublishFailedException failure)
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
}
