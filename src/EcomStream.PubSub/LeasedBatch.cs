namespace EcomStream.PubSub;

/// <summary>
/// The messages of one response: leases are kept, and ended, by the batch. A message that is settled leaves its place,
/// so that one slow message does not keep the others in memory.
/// </summary>
internal sealed class LeasedBatch(int count, long receivedAt)
{
    private readonly PubSubDelivery?[] _open = new PubSubDelivery?[count];
    private int _left = count;

    /// <summary>When it was received, a timestamp of the <see cref="TimeProvider"/>.</summary>
    public long ReceivedAt { get; } = receivedAt;

    /// <summary>When its leases were last extended, or it was received.</summary>
    public long ExtendedAt { get; set; } = receivedAt;

    /// <summary>Its place among the leases.</summary>
    public LinkedListNode<LeasedBatch>? Node { get; set; }

    public void Add(PubSubDelivery delivery) => _open[delivery.Index] = delivery;

    /// <summary>Takes out a message that is settled.</summary>
    /// <returns>Whether it was the last one.</returns>
    public bool Remove(PubSubDelivery delivery)
    {
        Volatile.Write(ref _open[delivery.Index], null);
        return Interlocked.Decrement(ref _left) == 0;
    }

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
