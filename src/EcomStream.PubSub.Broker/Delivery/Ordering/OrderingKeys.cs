namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>What becomes of a message with an ordering key that was read.</summary>
internal enum Admission
{
    /// <summary>It is outstanding from now on.</summary>
    Deliver,

    /// <summary>It waits for those before it.</summary>
    Wait,

    /// <summary>It is not kept, and read again later.</summary>
    Park,
}

/// <summary>
/// The order of messages with the same key (https://cloud.google.com/pubsub/docs/ordering): what is outstanding of a key is
/// with one stream, or was in one response of a pull; what follows waits for its acks, or goes to the same stream. A message
/// that is delivered again takes along all that was delivered after it, acked or not: so an ack counts once everything
/// before it is acked. Guarded by its subscription.
/// </summary>
internal sealed class OrderingKeys
{
    // Messages that are kept while they wait, 150 bytes each: of one key, and of all. Others of the key are read again; when so
    // many wait of all keys, nothing further is read.
    private const int MaxWaitingOfKey = 1_000;
    private const int MaxWaiting = 100_000;

    private readonly Dictionary<byte[], KeyQueue> _keys = new(Utf8Keys.Instance);
    private readonly Dictionary<byte[], KeyQueue>.AlternateLookup<ReadOnlySpan<byte>> _byName;
    private readonly Dictionary<long, KeyQueue> _keyOf = [];
    private readonly ReadyKeys _ready = new();

    public OrderingKeys() => _byName = _keys.GetAlternateLookup<ReadOnlySpan<byte>>();

    /// <summary>Messages that wait and are kept.</summary>
    public int Waiting { get; private set; }

    /// <summary>Whether too many wait for more to be read.</summary>
    public bool IsFull => Waiting >= MaxWaiting;

    /// <summary>Whether messages of a key are outstanding or wait.</summary>
    public bool IsActive(ReadOnlySpan<byte> name) => _byName.ContainsKey(name);

    /// <summary>A message that was read.</summary>
    /// <param name="name">Its ordering key, UTF-8.</param>
    /// <param name="offset">The message, after all that were admitted before.</param>
    /// <param name="owner">Whose response is being filled.</param>
    public Admission Admit(ReadOnlySpan<byte> name, long offset, KeyOwner owner)
    {
        if (!_byName.TryGetValue(name, out var key))
        {
            key = new KeyQueue(name.ToArray());
            _keys.Add(key.Name, key);
        }

        if (!key.HasMore && key.MayGo(owner))
        {
            _keyOf[offset] = key;
            key.Outstanding.Add(offset);
            key.Owner = owner;
            return Admission.Deliver;
        }

        if (key.ParkedFrom >= 0 || key.Waiting.Count >= MaxWaitingOfKey)
        {
            key.ParkedFrom = key.ParkedFrom < 0 ? offset : key.ParkedFrom;
            _ready.Add(key);
            return Admission.Park;
        }

        Keep(key, offset);
        _ready.Add(key);
        return Admission.Wait;
    }

    /// <summary>The next message whose turn has come.</summary>
    /// <param name="owner">Whose response is being filled.</param>
    /// <param name="offset">The message; -1 when parked messages of <paramref name="parked"/> have to be read first.</param>
    /// <param name="again">Whether it was delivered before.</param>
    /// <param name="parked">A key of which nothing is kept that waits (<see cref="Unpark"/>).</param>
    public bool TryTake(KeyOwner owner, out long offset, out bool again, out KeyQueue? parked)
    {
        (offset, again, parked) = (-1, false, null);
        if (_ready.Next(owner) is not { } key)
        {
            return false;
        }

        if (key.Waiting.Count == 0)
        {
            parked = key;
            return true;
        }

        offset = key.Waiting.Min;
        key.Waiting.Remove(offset);
        Waiting--;
        key.Outstanding.Add(offset);
        key.Owner = owner;
        again = key.Returned.Remove(offset);
        ReadyKeys.Took(key);
        return true;
    }

    /// <summary>A parked message is kept again.</summary>
    /// <returns>Whether there is room for another one.</returns>
    public bool Unpark(KeyQueue key, long offset)
    {
        Keep(key, offset);
        key.ParkedFrom = offset + 1;
        return key.Waiting.Count < MaxWaitingOfKey && !IsFull;
    }

    /// <summary>All parked messages of a key have been read again.</summary>
    public void EndParking(KeyQueue key)
    {
        key.ParkedFrom = -1;
        Settle(key);
    }

    public bool Contains(long offset) => _keyOf.ContainsKey(offset);

    /// <summary>Where a message is.</summary>
    public (bool IsOutstanding, bool IsEarly, bool IsWaiting) PlaceOf(long offset) => _keyOf.TryGetValue(offset, out var key)
        ? (key.Outstanding.Contains(offset), key.AckedEarly.Contains(offset), key.Waiting.Contains(offset))
        : default;

    /// <summary>Whether a message of a key is one that was read and not kept.</summary>
    public bool IsParked(ReadOnlySpan<byte> name, long offset) =>
        _byName.TryGetValue(name, out var key) && key.ParkedFrom >= 0 && offset >= key.ParkedFrom;

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
        var returned = key.Outstanding.GetViewBetween(offset, long.MaxValue).ToList();
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
            _ready.Delay(key, due);
        }

        _ready.Add(key);
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

    /// <inheritdoc cref="ReadyKeys.ReleaseDue"/>
    public bool ReleaseDue(long now) => _ready.ReleaseDue(now);

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
        foreach (var key in _keys.Values)
        {
            // In the queue of a stream it does not count any more.
            key.ReadyFor = null;
        }

        _keys.Clear();
        _keyOf.Clear();
        _ready.Clear();
        Waiting = 0;
    }

    private void Keep(KeyQueue key, long offset)
    {
        _keyOf[offset] = key;
        key.Waiting.Add(offset);
        Waiting++;
    }

    private void Forget(KeyQueue key, long offset)
    {
        _keyOf.Remove(offset);
        key.Outstanding.Remove(offset);
        key.AckedEarly.Remove(offset);
        key.Returned.Remove(offset);
        key.Held.Remove(offset);
        Waiting -= key.Waiting.Remove(offset) ? 1 : 0;
    }

    private void Settle(KeyQueue key)
    {
        if (key.Outstanding.Count == 0 && !key.HasMore)
        {
            _keys.Remove(key.Name);
        }
        else
        {
            _ready.Add(key);
        }
    }
}
