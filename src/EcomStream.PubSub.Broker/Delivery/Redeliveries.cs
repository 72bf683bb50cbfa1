namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>What is to be delivered again: at once, or when its backoff has passed. Guarded by its subscription.</summary>
internal sealed class Redeliveries
{
    private readonly Queue<long> _now = new();
    private readonly PriorityQueue<long, long> _later = new();

    /// <param name="offset">The message.</param>
    /// <param name="due">The timestamp before which it is not delivered; 0 for at once.</param>
    public void Add(long offset, long due)
    {
        if (due == 0)
        {
            _now.Enqueue(offset);
        }
        else
        {
            _later.Enqueue(offset, due);
        }
    }

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

    public bool TryTake(out long offset) => _now.TryDequeue(out offset);

    public void Clear()
    {
        _now.Clear();
        _later.Clear();
    }
}
