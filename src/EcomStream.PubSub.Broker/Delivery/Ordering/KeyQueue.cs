namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>The messages of one ordering key that were read and are not done with.</summary>
/// <param name="name">The key, UTF-8.</param>
internal sealed class KeyQueue(byte[] name)
{
    public byte[] Name { get; } = name;

    /// <summary>Delivered and not acked, or acked before their turn.</summary>
    public SortedSet<long> Outstanding { get; } = [];

    /// <summary>Those of the outstanding ones that were acked before an earlier message.</summary>
    public HashSet<long> AckedEarly { get; } = [];

    /// <summary>All after what is outstanding.</summary>
    public SortedSet<long> Waiting { get; } = [];

    /// <summary>Those of the waiting ones that were delivered before.</summary>
    public HashSet<long> Returned { get; } = [];

    /// <summary>Those that are on their way to the dead-letter topic.</summary>
    public HashSet<long> Held { get; } = [];

    /// <summary>Who has what is outstanding.</summary>
    public KeyOwner? Owner { get; set; }

    /// <summary>The timestamp before which nothing is delivered; 0 for none.</summary>
    public long NotBefore { get; set; }

    /// <summary>
    /// The message from which on those of the key were read and not kept, because too many wait; they are read again when
    /// those before them are delivered. -1 for none.
    /// </summary>
    public long ParkedFrom { get; set; } = -1;

    /// <summary>In whose queue of ready keys it is; null while it is in none.</summary>
    public KeyOwner? ReadyFor { get; set; }

    public bool HasMore => Waiting.Count > 0 || ParkedFrom >= 0;

    /// <summary>The first message that is not acked, of those that are kept; -1 for none.</summary>
    public long First => Outstanding.Count > 0 ? Outstanding.Min : Waiting.Count > 0 ? Waiting.Min : -1;

    /// <summary>Whether the next message may be delivered to somebody.</summary>
    public bool MayGo(KeyOwner to) => NotBefore == 0 && Held.Count == 0 && (Outstanding.Count == 0 || Owner == to);
}

/// <summary>
/// Who gets the messages of a key while some are outstanding: a stream, which keeps them in order, or a single response.
/// </summary>
/// <param name="wake">Wakes the stream; null for a response.</param>
internal sealed class KeyOwner(Action? wake)
{
    /// <summary>Whether more may be delivered while some are outstanding, in a later response.</summary>
    public bool IsStream => wake is not null;

    /// <summary>Keys of which this owner has messages and may get more.</summary>
    public Queue<KeyQueue> Ready { get; } = new();

    /// <summary>Messages that the first of them has given in a row.</summary>
    public int InRow { get; set; }

    public void Wake() => wake?.Invoke();
}
