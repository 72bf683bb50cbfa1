using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>The one state that each message of a subscription is in.</summary>
internal enum MessageState
{
    /// <summary>Acked, or rejected by the filter and acked.</summary>
    Acked,

    /// <summary>Not read from the log yet, or to be read again after a seek.</summary>
    Unread,

    /// <summary>Leased to a consumer.</summary>
    Leased,

    /// <summary>Acked before an earlier message of its ordering key, which is not acked.</summary>
    AckedEarly,

    /// <summary>Waits for earlier messages of its ordering key.</summary>
    WaitsForKey,

    /// <summary>To be delivered again, at once or after its backoff.</summary>
    ToBeRedelivered,

    /// <summary>Has failed too often and waits to be forwarded to the dead-letter topic.</summary>
    Undeliverable,

    /// <summary>Not to be delivered; its ack is not written yet.</summary>
    Rejected,
}

/// <summary>
/// Where the messages of a subscription are. In memory are those that are on their way; the others are known by the acks and
/// by how far the log is read. Each message is in exactly one <see cref="MessageState"/> (<see cref="StateOf"/>). Guarded by
/// its subscription.
/// </summary>
/// <param name="acks">The acks.</param>
/// <param name="leases">The leases.</param>
/// <param name="keys">The ordering keys; null without message ordering.</param>
internal sealed class DeliveryState(AckLog acks, LeaseTable leases, OrderingKeys? keys)
{
    public AckLog Acks { get; } = acks;

    public LeaseTable Leases { get; } = leases;

    public OrderingKeys? Keys { get; } = keys;

    public Redeliveries Redeliveries { get; } = new();

    public HashSet<long> Undeliverable { get; } = [];

    public RejectedMessages Rejected { get; } = new(acks);

    /// <summary>The subscription was deleted, or the broker stops: nothing is delivered or written any more.</summary>
    public bool IsClosed { get; set; }

    /// <summary>The message that is read next from the log.</summary>
    public long Next { get; set; } = acks.State.Cursor;

    /// <summary>Messages before it were read, before a seek began again at an earlier one.</summary>
    public long SeenBefore { get; private set; }

    /// <summary>A message that has failed too often waits until it is forwarded.</summary>
    public void SetAside(long offset)
    {
        Undeliverable.Add(offset);
        Keys?.Hold(offset);
    }

    /// <summary>Whether a message that was passed once, before a seek, is on its way and not to be read again.</summary>
    public bool IsOnItsWay(long offset) =>
        offset < SeenBefore && (Leases.Contains(offset) || Undeliverable.Contains(offset) || Redeliveries.Contains(offset));

    /// <summary>Messages that are acked by now are no longer on their way.</summary>
    public void RemoveAcked()
    {
        Leases.ReleaseWhere(Acks.State.IsAcked);
        Undeliverable.RemoveWhere(Acks.State.IsAcked);
        Redeliveries.RemoveWhere(Acks.State.IsAcked);
        Rejected.RemoveAcked();
    }

    /// <summary>Delivery begins again at the first message that is not acked.</summary>
    /// <param name="keepLeases">Whether messages that are leased and not acked stay leased.</param>
    public void Rescan(bool keepLeases)
    {
        Redeliveries.Clear();
        Keys?.Clear();
        Rejected.Clear();
        Undeliverable.Clear();
        Leases.ReleaseWhere(offset => !keepLeases || Acks.State.IsAcked(offset));
        (SeenBefore, Next) = (Math.Max(SeenBefore, Next), Acks.State.Cursor);
    }

    /// <summary>The state of a message.</summary>
    /// <param name="offset">The message, which is in the log.</param>
    /// <param name="orderingKey">Its ordering key, UTF-8.</param>
    /// <exception cref="InvalidOperationException">It is in none, or in several that exclude each other.</exception>
    public MessageState StateOf(long offset, ReadOnlySpan<byte> orderingKey)
    {
        var (isOutstanding, isEarly, isWaiting) = Keys?.PlaceOf(offset) ?? default;
        var isUndeliverable = Undeliverable.Contains(offset);
        var isLeased = Leases.Contains(offset);
        var isParked = orderingKey.Length > 0 && offset < Next && !isOutstanding && !isWaiting && Keys?.IsParked(orderingKey, offset) == true;
        List<MessageState> states = [];
        void Add(bool condition, MessageState state)
        {
            if (condition)
            {
                states.Add(state);
            }
        }

        Add(Acks.State.IsAcked(offset), MessageState.Acked);
        Add(isLeased, MessageState.Leased);
        Add(isEarly, MessageState.AckedEarly);
        Add((isWaiting || (isParked && !Acks.State.IsAcked(offset) && !Rejected.Contains(offset))) && !isUndeliverable, MessageState.WaitsForKey);
        Add(Redeliveries.Contains(offset), MessageState.ToBeRedelivered);
        Add(isUndeliverable, MessageState.Undeliverable);
        Add(Rejected.Contains(offset), MessageState.Rejected);
        Add(states.Count == 0 && offset >= Next, MessageState.Unread);

        // With a key, what is leased or undeliverable is outstanding of it or, undeliverable, waits; and nothing else is.
        var hasKey = Keys is not null && orderingKey.Length > 0;
        var fitsKey = !hasKey || (isLeased ? isOutstanding : !isOutstanding || isEarly || isUndeliverable);
        return states.Count == 1 && fitsKey
            ? states[0]
            : throw new InvalidOperationException(
                $"The message at offset {offset} is in the states [{string.Join(", ", states)}], outstanding of its key: {isOutstanding}, next to read: {Next}, seen before: {SeenBefore}.");
    }
}
