using System.Collections.Concurrent;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The ids of the orders that have unmatched payments which an order would heal. It spares the read of the unmatched
/// rows for all other orders. The dead-letter sink writes it, once a row is durable; the supervisors read it. An id
/// too many costs a read; one too few would be a payment that is not healed.
/// </summary>
public sealed class UnmatchedIndex
{
    private readonly ConcurrentDictionary<long, UnmatchedState> _orders = new();
    private int _waiting;

    /// <summary>Orders with a payment that waits.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Orders with an unmatched payment that an order would heal.</summary>
    public int Count => _orders.Count;

    /// <summary>Whether an order has unmatched payments.</summary>
    public bool Contains(long orderId) => !_orders.IsEmpty && _orders.ContainsKey(orderId);

    /// <summary>An unmatched row of the order is durable.</summary>
    internal void Set(long orderId, UnmatchedState state)
    {
        var before = _orders.TryGetValue(orderId, out var known) ? known : UnmatchedState.Healed;
        _orders[orderId] = state;
        CountWaiting(before, -1);
        CountWaiting(state, +1);
    }

    /// <summary>The order has come, and its rows are healed.</summary>
    internal void Remove(long orderId)
    {
        if (_orders.TryRemove(orderId, out var state))
        {
            CountWaiting(state, -1);
        }
    }

    private void CountWaiting(UnmatchedState state, int delta)
    {
        if (state == UnmatchedState.Waiting)
        {
            Interlocked.Add(ref _waiting, delta);
        }
    }
}
