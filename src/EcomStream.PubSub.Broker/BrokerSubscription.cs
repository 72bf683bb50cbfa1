using System.Globalization;
using EcomStream.PubSub.Broker.Storage;
using Microsoft.Win32.SafeHandles;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// One subscription: what is next in its topic's log, what is leased and until when, what is to be delivered again,
/// and what is acked. In memory are the leases and the offsets of redeliveries; the messages stay in the log.
/// Thread-safe.
/// </summary>
internal sealed class BrokerSubscription : IDisposable
{
    // An ack id is the offset in its low bits and, above them, which delivery it was: a client whose lease has passed on
    // cannot extend or give back what is leased to another. An ack counts whichever delivery it is of.
    private const int OffsetBits = 44;
    private const long OffsetMask = (1L << OffsetBits) - 1;
    private const long DeliveryMask = long.MaxValue >> OffsetBits;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly AckLog _acks;
    private readonly LogReader _reader;
    private readonly Dictionary<long, Lease> _leases = [];
    private readonly Queue<long> _redeliveries = new();
    private readonly List<PullConsumer> _consumers = [];
    private long _next;
    private long _firstDeadline = long.MaxValue;
    private long _redelivered;
    private bool _closed;

    public BrokerSubscription(string name, BrokerTopic topic, int ackDeadlineSeconds, AckLog acks, TimeProvider time)
    {
        Name = name;
        Topic = topic;
        AckDeadlineSeconds = ackDeadlineSeconds;
        _acks = acks;
        _time = time;
        _reader = new LogReader(topic.Log);
        _next = acks.State.Cursor;
    }

    public string Name { get; }

    public BrokerTopic Topic { get; }

    public int AckDeadlineSeconds { get; set; }

    /// <summary>The first message that is not acked.</summary>
    public long Cursor
    {
        get
        {
            lock (_lock)
            {
                return _acks.State.Cursor;
            }
        }
    }

    public SubscriptionStats Stats
    {
        get
        {
            lock (_lock)
            {
                return new SubscriptionStats(
                    Topic.Log.EndOffset - _acks.State.Cursor - _acks.State.AckedAbove,
                    _leases.Count,
                    _redelivered);
            }
        }
    }

    public void Attach(PullConsumer consumer)
    {
        lock (_lock)
        {
            _consumers.Add(consumer);
        }

        consumer.Signal.Set();
    }

    /// <summary>The consumer is gone; what it had stays leased until the deadlines pass, as in the service.</summary>
    public void Detach(PullConsumer consumer)
    {
        lock (_lock)
        {
            _consumers.Remove(consumer);
        }
    }

    /// <summary>There may be new messages.</summary>
    public void Notify()
    {
        lock (_lock)
        {
            Wake();
        }
    }

    /// <summary>Leases messages to a consumer and adds them to its response.</summary>
    /// <returns>False when the subscription was deleted.</returns>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public bool Take(PullConsumer consumer, int ackDeadlineSeconds, int maxMessages, int maxBytes, RawPullResponse response)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return false;
            }

            var deadline = Deadline(ackDeadlineSeconds);
            while (response.Count < maxMessages && response.Bytes.Length < maxBytes && !consumer.IsFull
                && TryTake(out var offset, out var delivery, out var message))
            {
                response.Add(offset | (delivery << OffsetBits), message);
                consumer.Add(message.Length);
                _leases.Add(offset, new Lease(deadline, consumer, message.Length, (int)delivery));
                _firstDeadline = Math.Min(_firstDeadline, deadline);
            }

            return true;
        }
    }

    /// <summary>Acks messages; the acks are with the operating system when it returns.</summary>
    public void Acknowledge(IReadOnlyList<string> ackIds)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            var offsets = new long[ackIds.Count];
            var count = 0;
            var end = Topic.Log.EndOffset;
            foreach (var ackId in ackIds)
            {
                // An ack that comes after its deadline counts all the same, as in the service.
                if (TryParse(ackId, out var offset, out _) && offset < end && !_acks.State.IsAcked(offset))
                {
                    offsets[count++] = offset;
                }
            }

            var fresh = offsets.AsSpan(0, count);
            fresh.Sort();
            count = Distinct(fresh);
            _acks.Ack(fresh[..count]);
            foreach (var offset in fresh[..count])
            {
                Release(offset);
            }
        }
    }

    /// <summary>Moves the deadlines of leases to so many seconds from now; 0 gives the messages back at once.</summary>
    public void ModifyAckDeadline(IReadOnlyList<string> ackIds, Func<int, int> secondsOf)
    {
        lock (_lock)
        {
            var returned = false;
            for (var i = 0; i < ackIds.Count; i++)
            {
                if (!TryParse(ackIds[i], out var offset, out var delivery)
                    || !_leases.TryGetValue(offset, out var lease) || lease.Delivery != delivery)
                {
                    continue;
                }

                if (secondsOf(i) is > 0 and var seconds)
                {
                    _leases[offset] = lease with { Deadline = Deadline(seconds) };
                }
                else
                {
                    Release(offset);
                    _redeliveries.Enqueue(offset);
                    returned = true;
                }
            }

            if (returned)
            {
                Wake();
            }
        }
    }

    /// <summary>Gives back what was neither acked nor extended in time.</summary>
    public void Expire()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            if (now < _firstDeadline)
            {
                return;
            }

            List<long>? expired = null;
            var first = long.MaxValue;
            foreach (var (offset, lease) in _leases)
            {
                if (lease.Deadline <= now)
                {
                    (expired ??= []).Add(offset);
                }
                else
                {
                    first = Math.Min(first, lease.Deadline);
                }
            }

            _firstDeadline = first;
            if (expired is null)
            {
                return;
            }

            expired.Sort();
            foreach (var offset in expired)
            {
                Release(offset);
                _redeliveries.Enqueue(offset);
            }

            Wake();
        }
    }

    /// <summary>Syncs the acks. Not under the lock: deliveries go on while the disk works.</summary>
    public void Sync()
    {
        SafeFileHandle? file;
        lock (_lock)
        {
            file = _closed ? null : _acks.TakeUnsynced();
        }

        if (file is null)
        {
            return;
        }

        try
        {
            RandomAccess.FlushToDisk(file);
        }
        catch (ObjectDisposedException)
        {
            // It was replaced in the meantime by a file that is synced, or deleted.
        }
        catch
        {
            lock (_lock)
            {
                _acks.StillUnsynced();
            }

            throw;
        }
    }

    /// <summary>Closes it for good and deletes its acks.</summary>
    public void Delete()
    {
        Close();
        _acks.Delete();
    }

    public void Dispose()
    {
        Close();
        _acks.Dispose();
    }

    private void Close()
    {
        lock (_lock)
        {
            _closed = true;
            Wake();
        }
    }

    private void Wake()
    {
        foreach (var consumer in _consumers)
        {
            consumer.Signal.Set();
        }
    }

    private bool TryTake(out long offset, out long delivery, out ReadOnlySpan<byte> message)
    {
        delivery = 0;
        while (_redeliveries.TryDequeue(out offset))
        {
            if (!_acks.State.IsAcked(offset) && !_leases.ContainsKey(offset) && _reader.TryRead(offset, out message, out _))
            {
                delivery = ++_redelivered & DeliveryMask;
                return true;
            }
        }

        while (_acks.State.IsAcked(_next))
        {
            _next = Math.Max(_next + 1, _acks.State.Cursor);
        }

        if (_reader.TryRead(_next, out message, out _))
        {
            offset = _next++;
            return true;
        }

        offset = -1;
        return false;
    }

    private void Release(long offset)
    {
        if (_leases.Remove(offset, out var lease))
        {
            lease.Consumer.Remove(lease.Bytes);
        }
    }

    private long Deadline(int seconds) => _time.GetTimestamp() + (seconds * _time.TimestampFrequency);

    private static bool TryParse(string ackId, out long offset, out long delivery)
    {
        var valid = long.TryParse(ackId, NumberStyles.None, CultureInfo.InvariantCulture, out var id);
        (offset, delivery) = (id & OffsetMask, id >> OffsetBits);
        return valid;
    }

    private static int Distinct(Span<long> sorted)
    {
        var count = 0;
        foreach (var value in sorted)
        {
            if (count == 0 || sorted[count - 1] != value)
            {
                sorted[count++] = value;
            }
        }

        return count;
    }

    private readonly record struct Lease(long Deadline, PullConsumer Consumer, int Bytes, int Delivery);
}

/// <summary>What a subscription of the broker holds.</summary>
/// <param name="Backlog">Messages published and not acked, leased ones included.</param>
/// <param name="Outstanding">Messages leased to clients.</param>
/// <param name="Redelivered">Deliveries after the first, since the broker was started.</param>
public readonly record struct SubscriptionStats(long Backlog, int Outstanding, long Redelivered);
