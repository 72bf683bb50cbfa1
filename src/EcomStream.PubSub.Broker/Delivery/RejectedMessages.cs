using System.Runtime.InteropServices;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// Messages that are acked without a delivery: the filter rejects them, or they stand for damaged ones. They are here until
/// their acks are written, which a full disk may refuse. Guarded by its subscription.
/// </summary>
internal sealed class RejectedMessages(AckLog acks)
{
    private readonly List<long> _offsets = [];

    public int Count => _offsets.Count;

    public bool Contains(long offset) => _offsets.Contains(offset);

    public void Add(long offset) => _offsets.Add(offset);

    /// <summary>Drops those that were acked otherwise.</summary>
    public void RemoveAcked() => _offsets.RemoveAll(acks.State.IsAcked);

    public void Clear() => _offsets.Clear();

    /// <summary>Acks them. If the disk refuses, they stay, and the next call tries again: nobody waits for these acks.</summary>
    public void Ack()
    {
        if (_offsets.Count == 0)
        {
            return;
        }

        try
        {
            RemoveAcked();
            var offsets = CollectionsMarshal.AsSpan(_offsets);
            offsets.Sort();
            acks.Ack(offsets[..SortedOffsets.Distinct(offsets)]);
            _offsets.Clear();
        }
        catch (IOException)
        {
            CollectionsMarshal.SetCount(_offsets, SortedOffsets.Distinct(CollectionsMarshal.AsSpan(_offsets)));
        }
    }
}

internal static class SortedOffsets
{
    /// <summary>Moves the distinct values of a sorted span to its front.</summary>
    /// <returns>How many they are.</returns>
    public static int Distinct(Span<long> sorted)
    {
        var count = 0;
        foreach (var value in sorted)
        {
            if (count == 0 || sorted[count - 1] != value)
            {
                sorted[count++] = value;
            }
        }

        return count;
    }
}
