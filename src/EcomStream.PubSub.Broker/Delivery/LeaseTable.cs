namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>A message that a consumer has.</summary>
/// <param name="Deadline">When it ends, a timestamp of the clock.</param>
/// <param name="Consumer">Who has it.</param>
/// <param name="Bytes">Size of the message.</param>
/// <param name="PublishMicros">When the message was published, microseconds since the Unix epoch.</param>
/// <param name="Delivery">0 for a first delivery, otherwise a unique number (<see cref="AckId"/>).</param>
internal readonly record struct Lease(long Deadline, PullConsumer Consumer, int Bytes, long PublishMicros, long Delivery);

/// <summary>The leases of a subscription, which guards them.</summary>
/// <param name="time">The clock.</param>
/// <param name="roomAgain">Called when there is room for a lease again.</param>
internal sealed class LeaseTable(TimeProvider time, Action roomAgain)
{
    // What a client without flow control may take of a backlog that is larger than memory.
    private const int MaxLeases = 1_000_000;

    private readonly Dictionary<long, Lease> _leases = [];
    private long _firstDeadline = long.MaxValue;

    /// <summary>Messages that are leased.</summary>
    public int Count => _leases.Count;

    /// <summary>Whether nothing more can be leased.</summary>
    public bool IsFull => _leases.Count >= MaxLeases;

    /// <summary>When the last lease ends, a timestamp of the clock; 0 when there is none.</summary>
    public long LatestDeadline => _leases.Count == 0 ? 0 : _leases.Values.Max(lease => lease.Deadline);

    public bool Contains(long offset) => _leases.ContainsKey(offset);

    public bool TryGet(long offset, out Lease lease) => _leases.TryGetValue(offset, out lease);

    /// <summary>The timestamp so many seconds from now.</summary>
    public long DeadlineIn(int seconds) => time.GetTimestamp() + (seconds * time.TimestampFrequency);

    /// <summary>Leases a message that is not leased.</summary>
    public void Add(long offset, in Lease lease)
    {
        _leases.Add(offset, lease);
        lease.Consumer.Add(lease.Bytes);
        _firstDeadline = Math.Min(_firstDeadline, lease.Deadline);
    }

    /// <summary>Moves the deadline of a message that is leased.</summary>
    public void Extend(long offset, int seconds)
    {
        var deadline = DeadlineIn(seconds);
        _leases[offset] = _leases[offset] with { Deadline = deadline };
        _firstDeadline = Math.Min(_firstDeadline, deadline);
    }

    /// <summary>Whether the lease of a message has not ended.</summary>
    public bool IsInTime(in Lease lease) => lease.Deadline > time.GetTimestamp();

    /// <summary>Ends the lease of a message, if it is leased.</summary>
    public void Release(long offset)
    {
        if (_leases.Remove(offset, out var lease))
        {
            lease.Consumer.Remove(lease.Bytes);
            if (_leases.Count == MaxLeases - 1)
            {
                roomAgain();
            }
        }
    }

    /// <summary>Ends the leases of the messages that meet a condition.</summary>
    public void ReleaseWhere(Func<long, bool> condition)
    {
        foreach (var offset in _leases.Keys.Where(condition).ToList())
        {
            Release(offset);
        }
    }

    /// <summary>The messages whose deadline has passed, ascending. They stay leased.</summary>
    public List<long> Overdue()
    {
        var overdue = new List<long>();
        var now = time.GetTimestamp();
        if (now < _firstDeadline)
        {
            return overdue;
        }

        _firstDeadline = long.MaxValue;
        foreach (var (offset, lease) in _leases)
        {
            if (lease.Deadline <= now)
            {
                overdue.Add(offset);
            }
            else
            {
                _firstDeadline = Math.Min(_firstDeadline, lease.Deadline);
            }
        }

        overdue.Sort();
        return overdue;
    }
}
