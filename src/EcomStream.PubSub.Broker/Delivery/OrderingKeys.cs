namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// The order of messages with the same key (https://cloud.google.com/pubsub/docs/ordering): of a key, only what one
/// response carried is outstanding at a time; what follows waits for its acks. A message that is delivered again takes
/// along all that was delivered after it, acked or not: so an ack counts once everything before it is acked. Guarded by
/// its subscription.
/// </summary>
internal sealed class OrderingKeys
{
    /// <summary>Messages that may wait for their keys before reading on has to wait too.</summary>
    public const int MaxWaiting = 100_000;

    private readonly Dictionary<string, Key> _keys = [];
    private readonly Dictionary<long, Key> _keyOf = [];
    private readonly Queue<Key> _ready = new();
    private readonly PriorityQueue<Key, long> _later = new();

    /// <summary>Messages that wait.</summary>
    public int Waiting { get; private set; }

    /// <summary>Whether messages of a key are outstanding or wait.</summary>
    public bool IsActive(string name) => _keys.ContainsKey(name);

    /// <summary>A message that was read: it is outstanding from now on, or waits for those before it.</summary>
    /// <param name="name">Its ordering key.</param>
    /// <param name="offset">The message, after all that were admitted before.</param>
    /// <param name="response">Which response is being filled.</param>
    /// <returns>Whether it may be delivered.</returns>
    public bool Admit(string name, long offset, long response)
    {
        if (!_keys.TryGetValue(name, out var key))
        {
            _keys.Add(name, key = new Key(name));
        }

        _keyOf[offset] = key;
        if (key.Waiting.Count == 0 && key.MayGo(response))
        {
            key.Outstanding.Add(offset);
            key.Response = response;
            return true;
        }

        key.Waiting.Add(offset);
        Waiting++;
        Ready(key);
        return false;
    }

    /// <summary>The next message whose turn has come.</summary>
    /// <param name="response">Which response is being filled.</param>
    /// <param name="offset">The message.</param>
    /// <param name="again">Whether it was delivered before.</param>
    public bool TryTake(long response, out long offset, out bool again)
    {
        while (_ready.TryPeek(out var key))
        {
            if (key.Waiting.Count > 0 && key.MayGo(response))
            {
                offset = key.Waiting.Min;
                key.Waiting.Remove(offset);
                Waiting--;
                key.Outstanding.Add(offset);
                key.Response = response;
                again = key.Returned.Remove(offset);
                return true;
            }

            _ready.Dequeue();
            key.IsReady = false;
        }

        offset = -1;
        again = false;
        return false;
    }

    public bool Has(long offset) => _keyOf.ContainsKey(offset);

    /// <summary>Whether an ack would come before that of an earlier message of its key.</summary>
    public bool IsEarly(long offset) => _keyOf.TryGetValue(offset, out var key) && key.First != offset;

    /// <summary>An ack: adds what is acked by it, which is nothing as long as an earlier message of the key is not.</summary>
    /// <param name="offset">The message.</param>
    /// <param name="acked">Takes what is acked by it.</param>
    /// <param name="early">Takes the message when it waits for an earlier one.</param>
    public void Ack(long offset, List<long> acked, List<long> early)
    {
        if (!_keyOf.TryGetValue(offset, out var key))
        {
            acked.Add(offset);
            return;
        }

        if (key.First != offset)
        {
            // What waits to be delivered again goes out again, whoever acks it late.
            if (key.Outstanding.Contains(offset) && key.AckedEarly.Add(offset))
            {
                early.Add(offset);
            }

            return;
        }

        Remove(offset, acked);
    }

    /// <summary>A message is done with, whatever comes before it: adds it, and what was acked and waited for it.</summary>
    public void Remove(long offset, List<long> acked)
    {
        acked.Add(offset);
        if (!_keyOf.TryGetValue(offset, out var key))
        {
            return;
        }

        Forget(key, offset);
        while (key.AckedEarly.Contains(key.First))
        {
            acked.Add(key.First);
            Forget(key, key.First);
        }

        Settle(key);
    }

    /// <summary>A message is to be delivered again, and with it all that was delivered after it.</summary>
    /// <param name="offset">The message.</param>
    /// <param name="due">The timestamp before which its key waits; 0 for none.</param>
    /// <returns>What is no longer outstanding.</returns>
    public IReadOnlyList<long> Return(long offset, long due)
    {
        var key = _keyOf[offset];
        var returned = key.Outstanding.Where(other => other >= offset).ToList();
        foreach (var other in returned)
        {
            key.Outstanding.Remove(other);
            key.AckedEarly.Remove(other);
            key.Returned.Add(other);
            key.Waiting.Add(other);
            Waiting++;
        }

        if (due > 0)
        {
            key.NotBefore = due;
            _later.Enqueue(key, due);
        }

        Ready(key);
        return returned;
    }

    /// <summary>The key of a message that is on its way to the dead-letter topic stands still meanwhile.</summary>
    public void Hold(long offset)
    {
        if (_keyOf.TryGetValue(offset, out var key))
        {
            key.Held.Add(offset);
        }
    }

    /// <summary>It is not: it is delivered again in its turn.</summary>
    public void LetGo(long offset)
    {
        if (_keyOf.TryGetValue(offset, out var key))
        {
            key.Held.Remove(offset);
            Return(offset, 0);
        }
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
                Ready(key);
                any = true;
            }
        }

        return any;
    }

    /// <summary>What stands before an offset is done with: adds it, and what was acked and waited for it.</summary>
    public void DropBefore(long end, List<long> acked)
    {
        foreach (var offset in _keyOf.Keys.Where(offset => offset < end).Order().ToList())
        {
            Remove(offset, acked);
        }
    }

    /// <summary>Forgets everything; what comes is admitted anew.</summary>
    public void Clear()
    {
        _keys.Clear();
        _keyOf.Clear();
        _ready.Clear();
        _later.Clear();
        Waiting = 0;
    }

    private void Forget(Key key, long offset)
    {
        _keyOf.Remove(offset);
        key.Outstanding.Remove(offset);
        key.AckedEarly.Remove(offset);
        key.Returned.Remove(offset);
        key.Held.Remove(offset);
        Waiting -= key.Waiting.Remove(offset) ? 1 : 0;
    }

    private void Settle(Key key)
    {
        if (key.Outstanding.Count == 0 && key.Waiting.Count == 0)
        {
            _keys.Remove(key.Name);
        }
        else
        {
            Ready(key);
        }
    }

    private void Ready(Key key)
    {
        if (!key.IsReady && key.Waiting.Count > 0 && key.Outstanding.Count == 0 && key.MayGo(response: -1))
        {
            key.IsReady = true;
            _ready.Enqueue(key);
        }
    }

    private sealed class Key(string name)
    {
        public string Name { get; } = name;

        /// <summary>Delivered and not acked, or acked before its turn.</summary>
        public SortedSet<long> Outstanding { get; } = [];

        public HashSet<long> AckedEarly { get; } = [];

        /// <summary>All after what is outstanding.</summary>
        public SortedSet<long> Waiting { get; } = [];

        /// <summary>Those of them that were delivered before.</summary>
        public HashSet<long> Returned { get; } = [];

        public long Response { get; set; }

        public long NotBefore { get; set; }

        /// <summary>Those of them that are on their way to the dead-letter topic.</summary>
        public HashSet<long> Held { get; } = [];

        public bool IsReady { get; set; }

        /// <summary>Whether the next message may be delivered with a response.</summary>
        public bool MayGo(long response) => NotBefore == 0 && Held.Count == 0 && (Outstanding.Count == 0 || Response == response);

        public long First => Outstanding.Count > 0 ? Outstanding.Min : Waiting.Count > 0 ? Waiting.Min : -1;
    }
}
