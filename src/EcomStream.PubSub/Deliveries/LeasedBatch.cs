namespace EcomStream.PubSub;

/// <summary>
/// The messages of one response: leases are kept, and ended, by the batch. A message that is settled leaves its place,
/// so that one slow message does not keep the others in memory.
/// </summary>
internal sealed class LeasedBatch
{
    private readonly PubSubDelivery?[] _open;
    private int _left;

    /// <summary>Takes the messages of a response.</summary>
    /// <param name="deliveries">The messages.</param>
    /// <param name="stream">The stream that brought them.</param>
    /// <param name="receivedAt">Now, a timestamp of the <see cref="TimeProvider"/>.</param>
    /// <param name="lease">How long the server leaves them to this client.</param>
    public LeasedBatch(PubSubDelivery[] deliveries, StreamShare stream, long receivedAt, TimeSpan lease)
    {
        Stream = stream;
        Lease = lease;
        _open = [.. deliveries];
        _left = deliveries.Length;
        ReceivedAt = receivedAt;
        ExtendedAt = receivedAt;
        for (var i = 0; i < deliveries.Length; i++)
        {
            deliveries[i].Batch = this;
            deliveries[i].Index = i;
        }
    }

    /// <summary>The stream that brought it.</summary>
    public StreamShare Stream { get; }

    /// <summary>When it was received, a timestamp of the <see cref="TimeProvider"/>.</summary>
    public long ReceivedAt { get; }

    /// <summary>When its leases were last extended, or it was received.</summary>
    public long ExtendedAt { get; set; }

    /// <summary>How long its leases are from then on.</summary>
    public TimeSpan Lease { get; set; }

    /// <summary>Those whose last extension failed, so that their leases are older than <see cref="ExtendedAt"/>.</summary>
    public IReadOnlyCollection<PubSubDelivery> Overdue { get; set; } = [];

    /// <summary>Its place among the leases.</summary>
    public LinkedListNode<LeasedBatch>? Node { get; set; }

    /// <summary>Takes out a message that is settled, or that nobody will see.</summary>
    /// <returns>Whether it was the last one.</returns>
    public bool Remove(PubSubDelivery delivery) =>
        Interlocked.Exchange(ref _open[delivery.Index], null) is not null && Interlocked.Decrement(ref _left) == 0;

    /// <summary>Whether a third of its leases has passed.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="now">The timestamp.</param>
    public bool IsDue(TimeProvider time, long now) => time.GetElapsedTime(ExtendedAt, now) >= Lease / 3;

    /// <summary>Whether a message is still in it.</summary>
    public bool Holds(PubSubDelivery delivery) => Volatile.Read(ref _open[delivery.Index]) is not null;

    /// <summary>The messages that the broker does not know to be settled.</summary>
    public IEnumerable<PubSubDelivery> Open()
    {
        for (var i = 0; i < _open.Length; i++)
        {
            if (Volatile.Read(ref _open[i]) is { } delivery)
            {
                yield return delivery;
            }
        }
    }
}
