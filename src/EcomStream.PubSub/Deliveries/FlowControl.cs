namespace EcomStream.PubSub;

/// <summary>
/// The bound of one subscription over all its streams, in messages and bytes. Three things are counted: what has been
/// received and not settled, which keeps streams from being opened; what of it came over one stream, which closes that
/// stream's reading; and what has been handed out, which never exceeds the bound even where a response does.
/// </summary>
/// <remarks>
/// A stream asks the server for its whole share of the bound, for it can ask only once, and the server counts what it has
/// sent over that stream alone. What it brings is read and leased even while messages of the one before it are held:
/// left unread, it would come too late, or twice. So up to twice the bound is held, once streams have been opened again.
/// </remarks>
internal sealed class FlowControl(int maxMessages, long maxBytes)
{
    private readonly Lock _lock = new();
    private int _messages;
    private long _bytes;
    private int _handedMessages;
    private long _handedBytes;
    private TaskCompletionSource? _change;

    public (int Messages, long Bytes, bool IsFull) Outstanding
    {
        get
        {
            lock (_lock)
            {
                // Messages that were received and not handed out wait for room as well.
                return (_messages, _bytes, _messages >= maxMessages || _bytes >= maxBytes || _messages != _handedMessages);
            }
        }
    }

    /// <summary>Counts what a stream has received.</summary>
    public void Received(StreamShare stream, int messages, long bytes)
    {
        lock (_lock)
        {
            _messages += messages;
            _bytes += bytes;
            stream.Messages += messages;
            stream.Bytes += bytes;
        }
    }

    /// <summary>Completes when there is room to open a stream.</summary>
    public ValueTask WaitToOpenAsync(CancellationToken cancellationToken) =>
        WaitAsync(() => _messages < maxMessages && _bytes < maxBytes, cancellationToken);

    /// <summary>Waits for room to receive more over a stream.</summary>
    /// <returns>Whether there was room in time; also when the waiting was stopped, for the rest is read to be given back.</returns>
    public async ValueTask<bool> WaitToReadAsync(StreamShare stream, TimeSpan patience, TimeProvider time, CancellationToken stop)
    {
        var room = WaitAsync(() => stream.Messages < stream.MaxMessages && stream.Bytes < stream.MaxBytes, stop);
        if (room.IsCompletedSuccessfully)
        {
            return true;
        }

        try
        {
            await room.AsTask().WaitAsync(patience, time, stop);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    /// <summary>Completes when nothing is outstanding.</summary>
    public ValueTask WaitUntilEmptyAsync(CancellationToken cancellationToken) => WaitAsync(() => _messages == 0, cancellationToken);

    /// <summary>
    /// Takes the room of as many of the deliveries as fit, at least one, waiting for it. Those that have been released
    /// meanwhile are skipped.
    /// </summary>
    /// <returns>How many to skip at the beginning, and how many fit after them; not both are 0.</returns>
    public async ValueTask<(int Skipped, int Count)> HandOutAsync(ReadOnlyMemory<PubSubDelivery> deliveries, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task change;
            lock (_lock)
            {
                var (skipped, count) = HandOut(deliveries.Span);
                if (skipped + count > 0)
                {
                    return (skipped, count);
                }

                change = Change();
            }

            await change.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Nacks what nobody has seen; it takes room without asking, which its settling returns.</summary>
    public void GiveBack(ArraySegment<PubSubDelivery> unseen)
    {
        lock (_lock)
        {
            foreach (var delivery in unseen)
            {
                if (delivery.Flow == FlowState.Received)
                {
                    HandOut(delivery);
                }
            }
        }

        foreach (var delivery in unseen)
        {
            if (delivery.Flow == FlowState.HandedOut)
            {
                delivery.Nack();
            }
        }
    }

    /// <summary>Returns the room of what is settled or given up; what was released before is ignored.</summary>
    public void Release(ArraySegment<PubSubDelivery> deliveries)
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            foreach (var delivery in deliveries)
            {
                Release(delivery);
            }

            (waiting, _change) = (_change, null);
        }

        waiting?.SetResult();
    }

    /// <summary>Releases those that have not been handed out, so that they never are.</summary>
    /// <returns>Those that were released.</returns>
    public PubSubDelivery[] ReleaseUnseen(PubSubDelivery[] deliveries)
    {
        PubSubDelivery[] unseen;
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            unseen = Array.FindAll(deliveries, delivery => delivery.Flow == FlowState.Received);
            Array.ForEach(unseen, Release);
            (waiting, _change) = (_change, null);
        }

        waiting?.SetResult();
        return unseen;
    }

    private async ValueTask WaitAsync(Func<bool> condition, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task change;
            lock (_lock)
            {
                if (condition())
                {
                    return;
                }

                change = Change();
            }

            await change.WaitAsync(cancellationToken);
        }
    }

    private Task Change() => (_change ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    // Under the lock.
    private (int Skipped, int Count) HandOut(ReadOnlySpan<PubSubDelivery> deliveries)
    {
        var skipped = 0;
        while (skipped < deliveries.Length && deliveries[skipped].Flow != FlowState.Received)
        {
            skipped++;
        }

        var count = 0;
        foreach (var delivery in deliveries[skipped..])
        {
            var fits = _handedMessages < maxMessages && (_handedBytes + delivery.Bytes <= maxBytes || _handedMessages == 0);
            if (!fits || delivery.Flow != FlowState.Received)
            {
                break;
            }

            HandOut(delivery);
            count++;
        }

        return (skipped, count);
    }

    private void HandOut(PubSubDelivery delivery)
    {
        delivery.Flow = FlowState.HandedOut;
        _handedMessages++;
        _handedBytes += delivery.Bytes;
    }

    private void Release(PubSubDelivery delivery)
    {
        if (delivery.Flow == FlowState.Released)
        {
            return;
        }

        if (delivery.Flow == FlowState.HandedOut)
        {
            _handedMessages--;
            _handedBytes -= delivery.Bytes;
        }

        delivery.Flow = FlowState.Released;
        _messages--;
        _bytes -= delivery.Bytes;
        if (delivery.Batch is { Stream: var stream })
        {
            stream.Messages--;
            stream.Bytes -= delivery.Bytes;
        }
    }
}
