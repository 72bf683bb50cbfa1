using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Filters;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>
/// One subscription of a topic: leases its messages (<see cref="MessageSource"/>) and settles them (<see cref="Settlement"/>).
/// Parts of it set messages aside (<see cref="Undeliverable"/>) and move what is acked as a whole (<see cref="Position"/>), all
/// over one <see cref="DeliveryState"/>. The messages stay in the log of the topic. Thread-safe.
/// </summary>
internal sealed class BrokerSubscription : IDisposable
{
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly AckLog _acks;
    private readonly AckIdReader _ackIds;
    private readonly ConsumerGroup _consumers;
    private readonly DeliveryState _state;
    private readonly MessageSource _source;
    private readonly Settlement _settlement;
    private readonly BacklogView _backlog;
    private SubscriptionSettings _settings;
    private long _redelivered;
    private long _delivery;

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
        var filter = _settings.Filter.Length > 0 ? FilterParser.Parse(_settings.Filter) : null;
        _consumers = new ConsumerGroup(time);
        _state = new DeliveryState(acks, new LeaseTable(time, _consumers.Wake), _settings.EnableMessageOrdering ? new OrderingKeys() : null);
        _ackIds = new AckIdReader(Id, Name, topic.Log, _state, _lock, nameOf);
        _source = new MessageSource(topic.Log, _state, filter);
        _settlement = new Settlement(_state, _ackIds, _consumers, time);
        Undeliverable = new UndeliverableMessages(topic.Log, _state, _settlement, _consumers, _lock);
        Position = new SubscriptionPosition(topic.Log, _state, _source, _settlement, _consumers, _lock);
        _backlog = new BacklogView(topic.Log, _state, _source, _consumers, time, _lock);

        // Deliveries are told apart across restarts too.
        _delivery = time.GetUtcNow().UtcTicks;
    }

    public int Id { get; }

    public string Name { get; }

    public BrokerTopic Topic { get; }

    public SubscriptionSettings Settings => Volatile.Read(ref _settings);

    /// <summary>The first message whose ack is retained, if acks are.</summary>
    public long RetainedFrom { get; private set; }

    /// <summary>What has failed too often.</summary>
    public UndeliverableMessages Undeliverable { get; }

    /// <summary>What is acked, as a whole.</summary>
    public SubscriptionPosition Position { get; }

    public SubscriptionStats Stats
    {
        get
        {
            lock (_lock)
            {
                return new SubscriptionStats(
                    Topic.Log.EndOffset - _acks.State.Cursor - _acks.State.AckedAbove, _state.Leases.Count, _redelivered);
            }
        }
    }

    /// <summary>Whether somebody pulls from it now, or it pushes.</summary>
    public bool IsRead => !_consumers.IsEmpty;

    /// <inheritdoc cref="ConsumerGroup.Idle"/>
    public TimeSpan Idle => _consumers.Idle;

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
            if (_consumers.IsEmpty)
            {
                _source.Release();
            }
        }
    }

    /// <summary>There may be new messages. Not under the lock: a publish does not wait for deliveries.</summary>
    public void Notify() => _consumers.Wake();

    /// <summary>A client that reads the subscription has called the broker, and therefore runs.</summary>
    public void ReaderCalled(string clientId) => _consumers.CountRequest(clientId);

    /// <summary>Leases messages to a consumer and adds them to its response.</summary>
    /// <returns>False when the subscription was deleted.</returns>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public bool Take(PullConsumer consumer, int ackDeadlineSeconds, int maxMessages, int maxBytes, RawPullResponse response)
    {
        lock (_lock)
        {
            if (_state.IsClosed)
            {
                return false;
            }

            var deadline = _state.Leases.DeadlineIn(ackDeadlineSeconds);
            _source.BeginResponse(consumer);
            while (response.Count < maxMessages && response.Bytes.Length < maxBytes && !consumer.IsFull && !_state.Leases.IsFull
                && _source.TryTake(_settings, out var offset, out var again, out var message, out var micros))
            {
                _redelivered += again ? 1 : 0;
                var delivery = again || _settings.EnableExactlyOnceDelivery ? ++_delivery : 0;
                var attempt = _settings.DeadLetter is null ? 0 : _acks.Failures(offset) + 1;
                response.Add(new AckId(offset, micros, Id, delivery), message, attempt);
                _state.Leases.Add(offset, new Lease(deadline, consumer, message.Length, micros, delivery));
            }

            _state.Rejected.Ack();
            if (_source.IsInterrupted)
            {
                consumer.Signal.Set();
            }

            return true;
        }
    }

    /// <summary>Acks messages; the acks are with the operating system when it returns.</summary>
    /// <param name="ackIds">What the client got with them.</param>
    /// <param name="outcome">Takes what became of each; asked for with exactly-once delivery only.</param>
    /// <exception cref="IOException">The disk is full or broken; nothing was acked.</exception>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one is malformed or of another subscription, and nothing was acked.</exception>
    public void Acknowledge(IReadOnlyList<string> ackIds, AckOutcome? outcome = null)
    {
        var ids = _ackIds.Parse(ackIds, outcome);
        var areOfMessages = outcome is null ? _ackIds.AreOfMessages(ids) : [];
        lock (_lock)
        {
            if (_state.IsClosed)
            {
                outcome?.Invalid.AddRange(ackIds);
                return;
            }

            _consumers.Used();
            _settlement.Acknowledge(_settings, ackIds, ids, areOfMessages, outcome);
        }
    }

    /// <summary>Moves the deadlines of leases to so many seconds from now; 0 gives the messages back at once.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one is malformed or of another subscription.</exception>
    public void ModifyAckDeadline(IReadOnlyList<string> ackIds, Func<int, int> secondsOf, AckOutcome? outcome = null)
    {
        var ids = _ackIds.Parse(ackIds, outcome);
        lock (_lock)
        {
            if (_state.IsClosed)
            {
                outcome?.Invalid.AddRange(ackIds);
                return;
            }

            _consumers.Used();
            _settlement.ModifyAckDeadline(_settings, ackIds, ids, secondsOf, outcome);
        }
    }

    /// <summary>Gives back what was neither acked nor extended in time, and readies what has waited out its backoff.</summary>
    public void Expire()
    {
        lock (_lock)
        {
            if (_state.IsClosed)
            {
                return;
            }

            var now = _time.GetTimestamp();
            if (_state.Redeliveries.ReleaseDue(now) | _state.Keys?.ReleaseDue(now) == true)
            {
                _consumers.Wake();
            }

            if (_state.Leases.Overdue() is { Count: > 0 } overdue)
            {
                _settlement.GiveBack(_settings, overdue);
            }
        }
    }

    /// <summary>Syncs the acks. Not under the lock: deliveries go on while the disk works.</summary>
    public void Sync() => _acks.Sync(_lock);

    /// <summary>Takes settings that are on disk.</summary>
    public void Update(SubscriptionSettings settings, long retainedFrom)
    {
        lock (_lock)
        {
            _settings = settings;
            RetainedFrom = retainedFrom;
            _consumers.Wake();
        }
    }

    /// <summary>Whether a full segment is still wanted: for delivery, or for a seek back.</summary>
    public bool Needs(LogSegment segment, DateTimeOffset now)
    {
        lock (_lock)
        {
            return segment.EndOffset > _acks.State.Cursor
                || (_settings.RetainAckedMessages && segment.EndOffset > RetainedFrom
                    && segment.LastPublishMicros >= TopicLog.Micros(now - _settings.MessageRetention));
        }
    }

    /// <inheritdoc cref="BacklogView.GetStatus"/>
    public SubscriptionBacklog GetStatus() => _backlog.GetStatus();

    /// <inheritdoc cref="BacklogView.Peek"/>
    public IReadOnlyList<BacklogMessage> Peek(int max, int maxBytes) => _backlog.Peek(max, maxBytes);

    /// <inheritdoc cref="BacklogView.CountStates"/>
    internal IReadOnlyDictionary<MessageState, long> CheckStates() => _backlog.CountStates();

    public void Dispose()
    {
        lock (_lock)
        {
            _state.IsClosed = true;
            _consumers.Wake();
            _acks.Dispose();
        }
    }
}
