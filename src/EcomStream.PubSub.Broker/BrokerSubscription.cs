using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Filters;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// One subscription: what is next in its topic's log, what is leased and until when, what is to be delivered again,
/// and what is acked. In memory are the leases and the offsets of redeliveries; the messages stay in the log.
/// Thread-safe. This part delivers; the others settle what was delivered and carry out what administers it.
/// </summary>
internal sealed partial class BrokerSubscription : IDisposable
{
    // A filter that nothing matches, or a key that stands still, is not to hold the lock for a whole backlog.
    private const int MaxPassedOver = 10_000;

    // What a client without flow control may take of a backlog that is larger than memory.
    private const int MaxLeases = 1_000_000;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly AckLog _acks;
    private readonly Func<int, string?> _nameOf;
    private readonly LogReader _reader;
    private readonly Dictionary<long, Lease> _leases = [];
    private readonly Redeliveries _redeliveries = new();
    private readonly HashSet<long> _undeliverable = [];
    private readonly List<long> _unmatched = [];
    private readonly MessageFilter? _filter;
    private readonly OrderingKeys? _keys;
    private volatile PullConsumer[] _consumers = [];
    private SubscriptionSettings _settings;
    private long _next;
    private long _seenBefore;
    private long _response;
    private int _passedOver;
    private long _firstDeadline = long.MaxValue;
    private long _redelivered;
    private long _delivery;
    private long _lastActive;
    private bool _closed;

    /// <param name="entry">Its metadata.</param>
    /// <param name="topic">Its topic.</param>
    /// <param name="acks">Its acks.</param>
    /// <param name="time">The clock.</param>
    /// <param name="nameOf">The name of the subscription with an id; null when there is none.</param>
    public BrokerSubscription(BrokerMetadata.SubscriptionEntry entry, BrokerTopic topic, AckLog acks, TimeProvider time, Func<int, string?> nameOf)
    {
        Id = entry.Id;
        Name = entry.Name;
        RetainedFrom = entry.RetainedFrom;
        Topic = topic;
        _settings = entry.Effective;
        _acks = acks;
        _time = time;
        _nameOf = nameOf;
        _reader = new LogReader(topic.Log);
        _next = acks.State.Cursor;
        _filter = _settings.Filter.Length > 0 ? FilterParser.Parse(_settings.Filter) : null;
        _keys = _settings.EnableMessageOrdering ? new OrderingKeys() : null;

        // Deliveries are told apart across restarts too.
        _delivery = time.GetUtcNow().UtcTicks;
        _lastActive = time.GetTimestamp();
    }

    public int Id { get; }

    public string Name { get; }

    public BrokerTopic Topic { get; }

    public SubscriptionSettings Settings => Volatile.Read(ref _settings);

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
            _consumers = [.. _consumers, consumer];
        }

        consumer.Signal.Set();
    }

    /// <summary>The consumer is gone; what it had stays leased until the deadlines pass, as in the service.</summary>
    public void Detach(PullConsumer consumer)
    {
        lock (_lock)
        {
            _consumers = [.. _consumers.Where(other => other != consumer)];
            _lastActive = _time.GetTimestamp();
            if (_consumers.Length == 0)
            {
                _reader.Release();
            }
        }
    }

    /// <summary>There may be new messages. Not under the lock: a publish does not wait for deliveries.</summary>
    public void Notify() => Wake();

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
            _response++;
            _passedOver = 0;
            while (response.Count < maxMessages && response.Bytes.Length < maxBytes && !consumer.IsFull
                && _leases.Count < MaxLeases && TryTake(out var offset, out var again, out var message, out var micros))
            {
                _redelivered += again ? 1 : 0;
                var delivery = again || _settings.EnableExactlyOnceDelivery ? ++_delivery : 0;
                var attempt = _settings.DeadLetter is null ? 0 : _acks.Failures(offset) + 1;
                response.Add(new AckId(offset, micros, Id, delivery), message, attempt);
                consumer.Add(message.Length);
                _leases.Add(offset, new Lease(deadline, consumer, message.Length, micros, delivery));
                _firstDeadline = Math.Min(_firstDeadline, deadline);
            }

            AckUnmatched();
            if (_passedOver >= MaxPassedOver)
            {
                consumer.Signal.Set();
            }

            return true;
        }
    }

    private bool TryTake(out long offset, out bool again, out ReadOnlySpan<byte> message, out long micros)
    {
        message = default;
        micros = 0;
        while (_keys is not null && _keys.TryTake(_response, out offset, out again))
        {
            if (HasFailedTooOften(offset))
            {
                SetAside(offset);
            }
            else if (_reader.TryRead(offset, out message, out micros))
            {
                return true;
            }
        }

        again = true;
        while (_redeliveries.TryTake(out offset))
        {
            if (!_acks.State.IsAcked(offset) && !_leases.ContainsKey(offset) && _reader.TryRead(offset, out message, out micros))
            {
                return true;
            }
        }

        while (_passedOver < MaxPassedOver && (_keys is null || _keys.Waiting < OrderingKeys.MaxWaiting))
        {
            while (_acks.State.IsAcked(_next) || (_next < _seenBefore && (_leases.ContainsKey(_next) || _undeliverable.Contains(_next))))
            {
                _next = Math.Max(_next + 1, _acks.State.Cursor);
            }

            if (!_reader.TryRead(_next, out message, out micros))
            {
                break;
            }

            // After a seek it may be one that was delivered before.
            again = _next < _seenBefore;
            offset = _next++;
            if (IsDeliverable(offset, message))
            {
                return true;
            }

            _passedOver++;
        }

        (offset, again) = (-1, false);
        return false;
    }

    // What was just read is delivered, unless the filter acks it, its key makes it wait or it has failed too often.
    private bool IsDeliverable(long offset, ReadOnlySpan<byte> message)
    {
        if (message.IsEmpty)
        {
            // It stands for a message that was damaged (BrokerRepair).
            _unmatched.Add(offset);
            return false;
        }

        if (_filter is not null || _keys is not null)
        {
            var parsed = PubsubMessage.Parser.ParseFrom(message);
            if (_filter?.Matches(parsed.Attributes) == false)
            {
                _unmatched.Add(offset);
                return false;
            }

            if (_keys is not null && _acks.IsEarly(offset))
            {
                // Acked before a restart. It counts if what came before it is acked by now; otherwise that is delivered
                // again, and this with it.
                if (!_keys.IsActive(parsed.OrderingKey))
                {
                    _unmatched.Add(offset);
                    return false;
                }

                _acks.ForgetEarly([offset]);
            }

            if (_keys is not null && parsed.OrderingKey.Length > 0 && !_keys.Admit(parsed.OrderingKey, offset, _response))
            {
                return false;
            }
        }

        if (HasFailedTooOften(offset))
        {
            SetAside(offset);
            return false;
        }

        return true;
    }

    private bool HasFailedTooOften(long offset) =>
        _settings.DeadLetter is { } deadLetter && _acks.Failures(offset) >= deadLetter.MaxDeliveryAttempts;

    // Messages that the filter does not let through count as acked; if the disk refuses, the next response tries again.
    private void AckUnmatched()
    {
        if (_unmatched.Count == 0)
        {
            return;
        }

        try
        {
            _unmatched.RemoveAll(_acks.State.IsAcked);
            _acks.Ack(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_unmatched));
            _unmatched.Clear();
        }
        catch (IOException)
        {
            // Nobody waits for these acks.
        }
    }

    private void Wake()
    {
        foreach (var consumer in _consumers)
        {
            consumer.Signal.Set();
        }
    }

    private void Release(long offset)
    {
        if (_leases.Remove(offset, out var lease))
        {
            lease.Consumer.Remove(lease.Bytes);
            if (_leases.Count == MaxLeases - 1)
            {
                Wake();
            }
        }
    }

    private long Deadline(int seconds) => _time.GetTimestamp() + (seconds * _time.TimestampFrequency);

    private readonly record struct Lease(long Deadline, PullConsumer Consumer, int Bytes, long PublishMicros, long Delivery);
}
