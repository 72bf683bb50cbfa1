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

    /// <summary>Completes when there is room to receive more over a stream.</summary>
    public ValueTask WaitToReadAsync(StreamShare stream, CancellationToken cancellationToken) =>
        WaitAsync(() => stream.Messages < stream.MaxMessages && stream.Bytes < stream.MaxBytes, cancellationToken);

    /// <summary>Completes when nothing is outstanding.</summary>
    public ValueTask WaitUntilEmptyAsync(CancellationToken cancellationToken) => WaitAsync(() => _messages == 0, cancellationToken);

    /// <summary>
    /// Takes the room of as many of the deliveries as fit, at least one, waiting for it.
    /// </summary>
    /// <returns>How many fit.</returns>
    public async ValueTask<int> HandOutAsync(ReadOnlyMemory<PubSubDelivery> deliveries, long bytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task change;
            lock (_lock)
            {
                var count = Fitting(deliveries.Span, ref bytes);
                if (count > 0)
                {
                    _handedMessages += count;
                    _handedBytes += bytes;
                    return count;
                }

                change = Change();
            }

            await change.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Nacks what nobody has seen; it takes room without asking, which its settling returns.</summary>
    public void GiveBack(LeasedDeliveries unseen)
    {
        lock (_lock)
        {
            _handedMessages += unseen.Deliveries.Length;
            _handedBytes += unseen.Bytes;
        }

        foreach (var delivery in unseen.Deliveries)
        {
            delivery.Nack();
        }
    }

    /// <summary>Returns the room of what has been settled.</summary>
    public void Release(ArraySegment<PubSubDelivery> settled)
    {
        TaskCompletionSource? waiting;
        lock (_lock)
        {
            var bytes = 0L;
            foreach (var delivery in settled)
            {
                bytes += delivery.Bytes;
                if (delivery.Batch is { Stream: var stream })
                {
                    stream.Messages--;
                    stream.Bytes -= delivery.Bytes;
                }
            }

            _messages -= settled.Count;
            _bytes -= bytes;
            _handedMessages -= settled.Count;
            _handedBytes -= bytes;
            (waiting, _change) = (_change, null);
        }

        waiting?.SetResult();
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

    private int Fitting(ReadOnlySpan<PubSubDelivery> deliveries, ref long bytes)
    {
        if (_handedMessages + deliveries.Length <= maxMessages && _handedBytes + bytes <= maxBytes)
        {
            return deliveries.Length;
        }

        var room = Math.Min(deliveries.Length, maxMessages - _handedMessages);
        var (count, sum) = (0, 0L);
        while (count < room && (_handedBytes + sum + deliveries[count].Bytes <= maxBytes || (count == 0 && _handedMessages == 0)))
        {
            sum += deliveries[count++].Bytes;
        }

        if (count > 0)
        {
            bytes = sum;
        }

        return count;
    }
}

/// <summary>What one stream, from its opening to its end, may bring and has brought; guarded by <see cref="FlowControl"/>.</summary>
/// <param name="maxMessages">Messages received and not settled.</param>
/// <param name="maxBytes">Their bytes.</param>
internal sealed class StreamShare(long maxMessages, long maxBytes)
{
    public long MaxMessages { get; } = maxMessages;

    public long MaxBytes { get; } = maxBytes;

    public long Messages { get; set; }

    public long Bytes { get; set; }
}
