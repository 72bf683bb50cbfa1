namespace EcomStream.Actors;

/// <summary>
/// The orders with payments that wait unacked, the longest waiting first, until their rows are to be written. Counts
/// only entries that are still waiting. Pure bookkeeping; time is counted in ticks.
/// </summary>
/// <typeparam name="TOrder">The order as its supervisor keeps it.</typeparam>
/// <param name="most">Entries that may wait at the same time.</param>
/// <param name="isWaiting">Whether an entry is still waiting: its order may have been joined and its actor reused.</param>
internal sealed class Parking<TOrder>(int most, Func<TOrder, int, bool> isWaiting)
{
    private readonly Queue<(long DueTick, TOrder Order, int Epoch)> _entries = new();
    private int _ended;

    /// <summary>Whether no entry is left.</summary>
    public bool IsEmpty => _entries.Count == 0;

    /// <summary>Entries that are still waiting.</summary>
    public int Count => _entries.Count - _ended;

    /// <summary>A payment of an order waits.</summary>
    public void Add(long dueTick, TOrder order, int epoch) => _entries.Enqueue((dueTick, order, epoch));

    /// <summary>Entries of an order ended before they were due.</summary>
    public void Ended(int entries) => _ended += entries;

    /// <summary>The next order whose rows are to be written, because it is due or too many wait.</summary>
    /// <returns>False when there is none.</returns>
    public bool TryTake(long tick, out TOrder order)
    {
        while (_entries.TryPeek(out var first))
        {
            if (!isWaiting(first.Order, first.Epoch))
            {
                _entries.Dequeue();
                _ended--;
                continue;
            }

            if (first.DueTick > tick && Count <= most)
            {
                break;
            }

            _entries.Dequeue();
            order = first.Order;
            return true;
        }

        order = default!;
        return false;
    }
}
