using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>One topic: its log and the subscriptions that read it.</summary>
internal sealed class BrokerTopic(int id, string name, TopicSettings settings, TopicLog log) : IDisposable
{
    private readonly Lock _lock = new();
    private volatile BrokerSubscription[] _subscriptions = [];
    private volatile TopicSettings _settings = settings;

    public int Id { get; } = id;

    public string Name { get; } = name;

    public TopicLog Log { get; } = log;

    public TopicSettings Settings
    {
        get => _settings;
        set => _settings = value;
    }

    /// <summary>Deleted, and kept for the backlog of its subscriptions.</summary>
    public bool IsDeleted { get; set; }

    /// <summary>Whether the metadata says that messages of it are durable.</summary>
    public bool IsNotedAsStored { get; set; }

    /// <summary>How long it keeps what is acked; null when it does not.</summary>
    public TimeSpan? Retention => IsDeleted ? null : Settings.MessageRetention;

    /// <summary>What its subscriptions and snapshots call it.</summary>
    public string VisibleName => IsDeleted ? ResourceNames.DeletedTopic : Name;

    public IReadOnlyList<BrokerSubscription> Subscriptions => _subscriptions;

    /// <summary>Does something while nothing of the log is deleted.</summary>
    public T WithoutReclaiming<T>(Func<T> action)
    {
        lock (_lock)
        {
            return action();
        }
    }

    /// <summary>Makes a subscription and adds it. Nothing that it is to get is deleted meanwhile.</summary>
    public BrokerSubscription Add(Func<BrokerSubscription> create)
    {
        lock (_lock)
        {
            var subscription = create();
            _subscriptions = [.. _subscriptions, subscription];
            return subscription;
        }
    }

    public void Remove(BrokerSubscription subscription)
    {
        lock (_lock)
        {
            _subscriptions = [.. _subscriptions.Where(s => s != subscription)];
        }
    }

    /// <summary>Appends messages and tells the subscriptions.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="publishMicros">The publish time of the first, microseconds since the Unix epoch; null for the present.</param>
    /// <returns>The offset of the first.</returns>
    /// <exception cref="IOException">The disk is full or broken; none was appended.</exception>
    /// <exception cref="ObjectDisposedException">The topic was deleted.</exception>
    public long Publish(RawMessages messages, long? publishMicros = null)
    {
        var first = Log.Append(messages, publishMicros);
        foreach (var subscription in _subscriptions)
        {
            subscription.Notify();
        }

        return first;
    }

    /// <summary>
    /// Deletes the full segments that no subscription and no snapshot needs, and that the topic itself need not retain.
    /// </summary>
    /// <param name="snapshotCursor">The first message that a snapshot of the topic holds.</param>
    /// <param name="now">The time.</param>
    public void Reclaim(Func<long> snapshotCursor, DateTimeOffset now)
    {
        lock (_lock)
        {
            var snapshotsFrom = snapshotCursor();
            var retainedSince = Retention is { } retention ? TopicLog.Micros(now - retention) : long.MaxValue;
            var unneeded = Log.FullSegments().TakeWhile(segment => segment.EndOffset <= snapshotsFrom
                && segment.LastPublishMicros < retainedSince
                && !_subscriptions.Any(subscription => subscription.Needs(segment, now)));
            Log.DeleteBefore(unneeded.LastOrDefault()?.EndOffset ?? 0);
        }
    }

    /// <summary>
    /// The first message whose ack a subscription can take back by a seek: what the topic or the subscription retains
    /// (https://cloud.google.com/pubsub/docs/replay-overview#seek_to_a_time).
    /// </summary>
    public long ReplayableFrom(BrokerSubscription subscription, DateTimeOffset now)
    {
        var from = Log.EndOffset;
        if (Retention is { } retention)
        {
            from = Math.Min(from, Log.OffsetAt(now - retention));
        }

        if (subscription.Settings.RetainAckedMessages)
        {
            from = Math.Min(from, Math.Max(subscription.RetainedFrom, Log.OffsetAt(now - subscription.Settings.MessageRetention)));
        }

        return from;
    }

    public void Dispose() => Log.Dispose();
}
