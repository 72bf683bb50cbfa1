namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// Which ordering key gives the next message: keys that may go wait in the queue of whoever may get it, those with a backoff
/// until it has passed. Guarded by its subscription.
/// </summary>
internal sealed class ReadyKeys
{
    // Messages of one key in a row, while others are ready. Messages of a key are near each other in the log.
    private const int MostInRow = 100;

    private readonly PriorityQueue<KeyQueue, long> _later = new();

    // For any owner: keys of which nothing is outstanding.
    private readonly KeyOwner _anyone = new(null);

    /// <summary>Puts a key into the queue of whoever may get its next message: anyone, or the stream that has those before it.</summary>
    public void Add(KeyQueue key)
    {
        var owner = key.Outstanding.Count == 0 ? _anyone : key.Owner!;
        if (key.ReadyFor != owner && key.HasMore && (owner == _anyone || owner.IsStream) && key.MayGo(owner))
        {
            key.ReadyFor = owner;
            owner.Ready.Enqueue(key);
            owner.Wake();
        }
    }

    /// <summary>A key gives nothing before a timestamp.</summary>
    public void Delay(KeyQueue key, long due)
    {
        key.NotBefore = due;
        _later.Enqueue(key, due);
    }

    /// <summary>Readies the keys whose backoff has passed.</summary>
    /// <returns>Whether there were any.</returns>
    public bool ReleaseDue(long now)
    {
        var any = false;
        while (_later.TryPeek(out var key, out var due) && due <= now)
        {
            _later.Dequeue();
            if (key.NotBefore == due)
            {
                key.NotBefore = 0;
                Add(key);
                any = true;
            }
        }

        return any;
    }

    /// <summary>The key whose turn it is; null for none.</summary>
    /// <param name="owner">Whose response is being filled.</param>
    public KeyQueue? Next(KeyOwner owner) => Next(owner, owner) ?? Next(_anyone, owner);

    /// <summary>The key that <see cref="Next(KeyOwner)"/> has returned has given a message: after some, the others get their turns.</summary>
    public static void Took(KeyQueue key)
    {
        var queue = key.ReadyFor!;
        if (++queue.InRow >= MostInRow)
        {
            queue.InRow = 0;
            queue.Ready.Enqueue(queue.Ready.Dequeue());
        }
    }

    public void Clear()
    {
        _later.Clear();
        _anyone.Ready.Clear();
    }

    private KeyQueue? Next(KeyOwner queue, KeyOwner owner)
    {
        while (queue.Ready.TryPeek(out var key))
        {
            if (key.ReadyFor == queue && key.HasMore && key.MayGo(owner))
            {
                return key;
            }

            queue.Ready.Dequeue();
            if (key.ReadyFor == queue)
            {
                key.ReadyFor = null;
                Add(key);
            }
        }

        return null;
    }
}
