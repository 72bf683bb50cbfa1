namespace EcomStream.PubSub;

/// <summary>The responses with messages that the broker does not know to be settled, in the order of their arrival. Thread-safe.</summary>
/// <param name="time">The clock.</param>
internal sealed class LeasedBatches(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<LeasedBatch> _batches = new();

    public void Add(LeasedBatch batch)
    {
        lock (_lock)
        {
            batch.Node = _batches.AddLast(batch);
        }
    }

    public void Remove(LeasedBatch batch)
    {
        lock (_lock)
        {
            if (batch.Node is { List: not null } node)
            {
                _batches.Remove(node);
            }
        }
    }

    /// <summary>All their messages.</summary>
    public PubSubDelivery[] Open()
    {
        lock (_lock)
        {
            return [.. _batches.SelectMany(batch => batch.Open())];
        }
    }

    /// <summary>Those of which something is to be extended.</summary>
    /// <param name="now">The timestamp.</param>
    public List<LeasedBatch> Due(long now)
    {
        lock (_lock)
        {
            return [.. _batches.Where(batch => batch.Overdue.Count > 0 || batch.IsDue(time, now))];
        }
    }

    /// <summary>Removes and returns those that were received at least some time ago.</summary>
    /// <param name="now">The timestamp.</param>
    /// <param name="age">How long ago.</param>
    public List<LeasedBatch> TakeOlderThan(long now, TimeSpan age)
    {
        lock (_lock)
        {
            // Responses are added as they come, so the oldest are first.
            List<LeasedBatch> old = [.. _batches.TakeWhile(batch => time.GetElapsedTime(batch.ReceivedAt, now) >= age)];
            foreach (var batch in old)
            {
                _batches.Remove(batch);
            }

            return old;
        }
    }
}
