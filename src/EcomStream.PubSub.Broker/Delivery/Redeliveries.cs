namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>What is to be delivered again: at once, or when its backoff has passed. Guarded by its subscription.</summary>
internal sealed class Redeliveries
{
    private readonly HashSet<long> _members = [];

    // What is no longer a member stays in the queues until its turn comes.
    private readonly Queue<long> _now = new();
    private readonly PriorityQueue<long, long> _later = new();

    public bool Contains(long offset) => _members.Contains(offset);

    /// <param name="offset">The message, which is not a member.</param>
    /// <param name="due">The timestamp before which it is not delivered; 0 for at once.</param>
    public void Add(long offset, long due)
    {
        if (!_members.Add(offset))
        {
            return;
        }

        if (due == 0)
        {
            _now.Enqueue(offset);
        }
        else
        {
            _later.Enqueue(offset, due);
        }
    }

    /// <summary>A message is not delivered again: it is acked.</summary>
    public void Remove(long offset) => _members.Remove(offset);

    /// <summary>Removes the messages that meet a condition.</summary>
    public void RemoveWhere(Predicate<long> condition) => _members.RemoveWhere(condition);

    /// <summary>Readies what is due.</summary>
    /// <returns>Whether anything was.</returns>
    public bool ReleaseDue(long now)
    {
        var any = false;
        while (_later.TryPeek(out var offset, out var due) && due <= now)
        {
            _later.Dequeue();
            _now.Enqueue(offset);
            any = true;
        }

        return any;
    }

    /// <summary>Takes out the message that <see cref="TryPeek"/> has returned.</summary>
    public void Take() => _members.Remove(_now.Dequeue());

    /// <summary>The next message that is ready. It stays the next one until it is taken.</summary>
    public bool TryPeek(out long offset)
    {
        while (_now.TryPeek(out offset))
        {
            if (_members.Contains(offset))
            {
                return true;
            }

            _now.Dequeue();
        }

        return false;
    }

    public void Clear()
    {
        _members.Clear();
        _now.Clear();
        _later.Clear();
    }
}
