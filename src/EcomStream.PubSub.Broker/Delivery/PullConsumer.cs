namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// Whoever pulls from a subscription: a stream with its flow control, or one Pull call. Its counts are guarded by the
/// subscription.
/// </summary>
/// <param name="maxMessages">Messages that may be outstanding with it.</param>
/// <param name="maxBytes">Bytes that may be outstanding with it.</param>
internal sealed class PullConsumer(long maxMessages, long maxBytes)
{
    private long _requests;
    private KeyOwner? _stream;

    /// <summary>What the client of a stream calls itself, empty where it does not; null for a Pull call.</summary>
    public string? ClientId { get; init; }

    /// <summary>Requests that its stream has sent so far.</summary>
    public long Requests => Volatile.Read(ref _requests);

    /// <summary>Set when there may be something to take.</summary>
    public AsyncSignal Signal { get; } = new();

    public long Messages { get; private set; }

    public long Bytes { get; private set; }

    public bool IsFull => Messages >= maxMessages || Bytes >= maxBytes;

    /// <summary>
    /// Who has the messages of a response: a stream hands over its responses in order, while those of other consumers may
    /// overtake each other.
    /// </summary>
    public KeyOwner OwnerOfResponse() => ClientId is null ? new KeyOwner(null) : _stream ??= new KeyOwner(Signal.Set);

    /// <summary>Its stream has sent a request.</summary>
    public void CountRequest() => Interlocked.Increment(ref _requests);

    public void Add(int bytes)
    {
        Messages++;
        Bytes += bytes;
    }

    public void Remove(int bytes)
    {
        var wasFull = IsFull;
        Messages--;
        Bytes -= bytes;
        if (wasFull && !IsFull)
        {
            Signal.Set();
        }
    }
}
