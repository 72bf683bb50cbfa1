using System.Collections.Concurrent;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The orders that have unmatched payments which an order would heal, with the publish time of the oldest one that waits, and
/// the orders that have discarded payments. For all other orders no unmatched rows are read, and orders whose grace is over
/// are found without a search. The unmatched writer changes it, once a row is durable; the sweeper and the loader add what they
/// find in the table; the supervisors read it. An id too many costs a read; one too few would be a payment that is not healed,
/// or a discarded one that is joined.
/// </summary>
public sealed class UnmatchedIndex
{
    private readonly ConcurrentDictionary<long, Entry> _orders = new();
    private readonly ConcurrentDictionary<long, int> _discarded = new();
    private readonly Lock _lock = new();

    // May hold orders that no longer wait, or wait since another time: they are dropped when it is their turn.
    private readonly PriorityQueue<long, long> _byPublishTime = new();
    private int _waiting;
    private volatile bool _isLoading;

    // The full sweep that is running, or was the last one.
    private volatile int _sweep;

    /// <summary>
    /// Whether the rows of the store are still being added: until then every order counts as one with unmatched payments,
    /// which costs a read each, so that a shard works before they are known.
    /// </summary>
    public bool IsLoading
    {
        get => _isLoading;
        internal set => _isLoading = value;
    }

    /// <summary>Orders with a payment that waits.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Orders with an unmatched payment that an order would heal.</summary>
    public int Count => _orders.Count;

    /// <summary>Whether an order has unmatched payments.</summary>
    public bool Contains(long orderId) => _isLoading || _orders.ContainsKey(orderId);

    /// <summary>
    /// Whether an order may have a payment that was discarded. That includes every order with a dead-lettered payment: another
    /// program may have discarded it since.
    /// </summary>
    public bool MayHaveDiscarded(long orderId) =>
        _isLoading || (_orders.TryGetValue(orderId, out var entry) && entry.HasDeadLettered) || _discarded.ContainsKey(orderId);

    /// <summary>Whether an order has a payment that waits.</summary>
    public bool IsWaiting(long orderId) => _orders.TryGetValue(orderId, out var entry) && entry.IsWaiting;

    /// <summary>A payment of the order waits; its row is durable.</summary>
    /// <param name="orderId">The order.</param>
    /// <param name="publishTimeMicros">Publish time of its oldest payment that waits, microseconds since the Unix epoch.</param>
    /// <param name="hasDeadLettered">Whether another payment of it may be dead-lettered, so that an order would heal it.</param>
    internal void SetWaiting(long orderId, long publishTimeMicros, bool hasDeadLettered)
    {
        lock (_lock)
        {
            var before = Replace(orderId, new Entry(publishTimeMicros, _sweep, IsWaiting: true, hasDeadLettered));
            if (!before.IsWaiting || before.PublishTimeMicros != publishTimeMicros)
            {
                _byPublishTime.Enqueue(orderId, publishTimeMicros);
            }
        }
    }

    /// <summary>No payment of the order waits, and one that was dead-lettered would be healed.</summary>
    internal void SetDeadLettered(long orderId)
    {
        lock (_lock)
        {
            Replace(orderId, DeadLettered);
        }
    }

    /// <summary>A payment of the order was discarded.</summary>
    internal void SetDiscarded(long orderId) => _discarded[orderId] = _sweep;

    /// <summary>The order has no discarded payment any more.</summary>
    internal void RemoveDiscarded(long orderId) => _discarded.TryRemove(orderId, out _);

    /// <summary>A row was found: nothing that is known of the order is forgotten.</summary>
    internal void Add(UnjoinedPayment payment)
    {
        if (payment.State == UnmatchedState.Discarded)
        {
            SetDiscarded(payment.OrderId);
            return;
        }

        lock (_lock)
        {
            var known = _orders.TryGetValue(payment.OrderId, out var entry);
            if (payment.State != UnmatchedState.Waiting)
            {
                Replace(payment.OrderId, known ? entry with { HasDeadLettered = true, Sweep = _sweep } : DeadLettered);
            }
            else if (!known || !entry.IsWaiting || entry.PublishTimeMicros > payment.PublishTimeMicros)
            {
                Replace(payment.OrderId, new Entry(payment.PublishTimeMicros, _sweep, IsWaiting: true, entry.HasDeadLettered));
                _byPublishTime.Enqueue(payment.OrderId, payment.PublishTimeMicros);
            }
        }
    }

    /// <summary>A full sweep of the table begins.</summary>
    internal void BeginSweep() => _sweep++;

    /// <summary>
    /// Orders with an entry for which the full sweep has found no row. Their payments have changed during the sweep, or were
    /// discarded or deleted by another program. Orders with payments that wait are not among them.
    /// </summary>
    /// <param name="limit">At most this many.</param>
    internal IReadOnlyCollection<long> NotFoundBySweep(int limit)
    {
        var sweep = _sweep;
        return
        [
            .. _orders.Where(order => order.Value is { IsWaiting: false } entry && entry.Sweep != sweep).Select(order => order.Key)
                .Concat(_discarded.Where(order => order.Value != sweep).Select(order => order.Key))
                .Distinct()
                .Take(limit),
        ];
    }

    /// <summary>No unmatched payment of the order would be healed by an order: it was joined, discarded or deleted.</summary>
    internal void Remove(long orderId)
    {
        lock (_lock)
        {
            if (_orders.TryRemove(orderId, out var entry) && entry.IsWaiting)
            {
                _waiting--;
            }
        }
    }

    /// <summary>
    /// Orders with a payment that waits and was published until a time, those that wait longest first. They are not
    /// given out again before <see cref="PutBack"/>.
    /// </summary>
    /// <param name="publishedUntilMicros">Microseconds since the Unix epoch.</param>
    /// <param name="limit">At most so many.</param>
    internal IReadOnlyCollection<long> TakeDue(long publishedUntilMicros, int limit)
    {
        var due = new HashSet<long>();
        lock (_lock)
        {
            while (due.Count < limit && _byPublishTime.TryPeek(out var orderId, out var publishedAt) && publishedAt <= publishedUntilMicros)
            {
                _byPublishTime.Dequeue();
                if (_orders.TryGetValue(orderId, out var entry) && entry.IsWaiting && entry.PublishTimeMicros == publishedAt)
                {
                    due.Add(orderId);
                }
            }
        }

        return due;
    }

    /// <summary>Orders that were given out are due again, as far as they still wait.</summary>
    internal void PutBack(IEnumerable<long> orderIds)
    {
        lock (_lock)
        {
            foreach (var orderId in orderIds)
            {
                if (_orders.TryGetValue(orderId, out var entry) && entry.IsWaiting)
                {
                    _byPublishTime.Enqueue(orderId, entry.PublishTimeMicros);
                }
            }
        }
    }

    private Entry DeadLettered => new(0, _sweep, IsWaiting: false, HasDeadLettered: true);

    private Entry Replace(long orderId, Entry entry)
    {
        var before = _orders.GetValueOrDefault(orderId);
        _orders[orderId] = entry;
        _waiting += (entry.IsWaiting ? 1 : 0) - (before.IsWaiting ? 1 : 0);
        return before;
    }

    private readonly record struct Entry(long PublishTimeMicros, int Sweep, bool IsWaiting, bool HasDeadLettered);
}
