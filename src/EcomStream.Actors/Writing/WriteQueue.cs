using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// What is pending, merged and in flight per order. Everything pending for one order is one write; one order's writes
/// are never in flight twice; a read waits for the writes before it. Pure bookkeeping.
/// </summary>
internal sealed class WriteQueue
{
    private readonly Dictionary<long, OrderWork> _orders = [];
    private readonly Queue<OrderWork> _writable = new();
    private readonly Queue<OrderWork> _readable = new();

    /// <summary>Orders whose write can be started.</summary>
    public int Writable => _writable.Count;

    /// <summary>Orders whose read can be started.</summary>
    public int Readable => _readable.Count;

    /// <summary>Adds a write.</summary>
    /// <returns>
    /// False, with nothing added, when its payment is guarded and another payment is pending: that one counts as the
    /// row's, and the order has to decide again.
    /// </returns>
    public bool TryAdd(WriteFact write)
    {
        var work = Work(write.OrderId);
        if (work.Pending is { } pending)
        {
            return pending.TryMerge(write);
        }

        work.Pending = new PendingWrite(write);
        if (!work.InFlight)
        {
            _writable.Enqueue(work);
        }

        return true;
    }

    /// <summary>Settles a message with what was accepted for its order before.</summary>
    /// <returns>False when all of that is durable: the message can be settled now.</returns>
    public bool TrySettleLater(OrderMessage message)
    {
        if (!_orders.TryGetValue(message.OrderId, out var work) || (work.Pending ?? work.Current?.PaymentPart ?? work.Current) is not { } write)
        {
            return false;
        }

        write.Settle(message);
        return true;
    }

    /// <summary>Adds a read.</summary>
    public void Add(LoadOrder load)
    {
        var work = Work(load.OrderId);
        var isFirst = !work.HasReaders;
        work.Add(load);
        if (isFirst && work.Pending is null && !work.InFlight)
        {
            _readable.Enqueue(work);
        }
    }

    /// <summary>Takes orders to write; they are in flight until <see cref="Release"/>.</summary>
    public List<OrderWork> TakeWrites(int most)
    {
        var taken = new List<OrderWork>(Math.Min(most, _writable.Count));
        while (taken.Count < most && _writable.TryDequeue(out var work))
        {
            work.Current = work.Pending;
            work.Pending = null;
            taken.Add(work);
        }

        return taken;
    }

    /// <summary>Takes orders to read; they are in flight until <see cref="Release"/>.</summary>
    public List<OrderWork> TakeReads(int most)
    {
        var taken = new List<OrderWork>(Math.Min(most, _readable.Count));
        while (taken.Count < most && _readable.TryDequeue(out var work))
        {
            work.Reading = true;
            taken.Add(work);
        }

        return taken;
    }

    /// <summary>
    /// An order is no longer in flight. What came for it meanwhile goes next: writes first, then the reads that wait for
    /// them.
    /// </summary>
    public void Release(OrderWork work)
    {
        if (work.Pending is not null)
        {
            _writable.Enqueue(work);
        }
        else if (work.HasReaders)
        {
            _readable.Enqueue(work);
        }
        else
        {
            _orders.Remove(work.OrderId);
        }
    }

    private OrderWork Work(long orderId)
    {
        if (!_orders.TryGetValue(orderId, out var work))
        {
            _orders.Add(orderId, work = new OrderWork(orderId));
        }

        return work;
    }
}
