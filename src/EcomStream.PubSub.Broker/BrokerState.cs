using EcomStream.PubSub.Broker.Storage;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// All topics, subscriptions and snapshots of a broker. Looking one up takes no lock. What changes them is serialized,
/// written to broker.json first and done in memory then, so that the two agree whatever the disk says.
/// </summary>
internal sealed partial class BrokerState : IDisposable
{
    private readonly EmbeddedBrokerOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly BrokerFolder _folder;
    private readonly Dictionary<int, BrokerTopic> _topicsById = [];
    private BrokerMetadata _metadata = new();
    private volatile Dictionary<string, BrokerTopic> _topics = [];
    private volatile Dictionary<string, BrokerSubscription> _subscriptions = [];
    private volatile Dictionary<string, BrokerSnapshot> _snapshots = [];

    private BrokerState(EmbeddedBrokerOptions options, BrokerFolder folder, ILogger logger)
    {
        _options = options;
        _folder = folder;
        _logger = logger;
    }

    public IReadOnlyCollection<BrokerTopic> Topics => _topics.Values;

    public IReadOnlyCollection<BrokerSubscription> Subscriptions => _subscriptions.Values;

    public IReadOnlyCollection<BrokerSnapshot> Snapshots => _snapshots.Values;

    public TimeProvider Time => _options.Time;

    public static BrokerState Open(EmbeddedBrokerOptions options, ILogger logger)
    {
        var state = new BrokerState(options, BrokerFolder.Own(options.DataDirectory), logger);
        try
        {
            state.Load();
            return state;
        }
        catch (Exception error)
        {
            state.Dispose();
            if (error is IOException or UnauthorizedAccessException)
            {
                throw new BrokerStartException($"The broker's folder {options.DataDirectory} cannot be read: {error.Message}", error);
            }

            throw;
        }
    }

    public BrokerTopic Topic(string name) => _topics.TryGetValue(name, out var topic) ? topic : throw NotFound("topic", name);

    public BrokerSubscription Subscription(string name) => _subscriptions.TryGetValue(name, out var subscription)
        ? subscription
        : throw NotFound("subscription", name);

    public BrokerSnapshot Snapshot(string name) => _snapshots.TryGetValue(name, out var snapshot)
        ? snapshot
        : throw NotFound("snapshot", name);

    /// <summary>Deletes what every subscription has acked and nothing retains.</summary>
    public void Reclaim()
    {
        var now = Time.GetUtcNow();
        foreach (var topic in AllTopics())
        {
            try
            {
                topic.Reclaim(() => FirstOfSnapshots(topic), now);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                _logger.LogWarning("What is acked of {Topic} cannot be deleted, and is tried again: {Reason}", topic.Name, error.Message);
            }
        }
    }

    /// <summary>Syncs all that was written since the last time.</summary>
    public void Sync()
    {
        foreach (var topic in AllTopics())
        {
            topic.Log.Sync();
        }

        foreach (var subscription in _subscriptions.Values)
        {
            subscription.Sync();
        }
    }

    public void Dispose()
    {
        foreach (var subscription in _subscriptions.Values)
        {
            subscription.Dispose();
        }

        foreach (var topic in AllTopics())
        {
            topic.Dispose();
        }

        _folder.Dispose();
    }

    private BrokerTopic[] AllTopics()
    {
        lock (_lock)
        {
            return [.. _topicsById.Values];
        }
    }

    private long FirstOfSnapshots(BrokerTopic topic) =>
        _snapshots.Values.Where(snapshot => snapshot.Topic == topic).Select(snapshot => snapshot.Entry.Cursor).DefaultIfEmpty(long.MaxValue).Min();

    private void Load()
    {
        _metadata = BrokerMetadata.Load(_folder.MetadataPath);
        foreach (var entry in _metadata.Topics)
        {
            _topicsById.Add(entry.Id, LoadTopic(entry));
        }

        _topics = _topicsById.Values.Where(topic => !topic.IsDeleted).ToDictionary(topic => topic.Name);
        var subscriptions = new Dictionary<string, BrokerSubscription>();
        foreach (var entry in _metadata.Subscriptions)
        {
            subscriptions.Add(entry.Name, OpenSubscription(entry));
            _subscriptions = subscriptions;
        }

        _snapshots = _metadata.Snapshots.ToDictionary(entry => entry.Name, OpenSnapshot);
        Reclaim();
    }

    private BrokerTopic LoadTopic(BrokerMetadata.TopicEntry entry) => Directory.Exists(_folder.TopicFolder(entry.Id))
        ? OpenTopic(entry)
        : throw new BrokerStartException(
            $"The messages of {entry.Name} are missing: there is no {_folder.TopicFolder(entry.Id)}. Restore a copy of the broker's folder, or move the folder away to begin anew.");

    private BrokerTopic OpenTopic(BrokerMetadata.TopicEntry entry) =>
        new(entry.Id, entry.Name, entry.Settings, TopicLog.Open(_folder.TopicFolder(entry.Id), _options, _logger)) { IsDeleted = entry.Deleted };

    private BrokerSubscription OpenSubscription(BrokerMetadata.SubscriptionEntry entry)
    {
        var topic = _topicsById[entry.TopicId];
        var acks = AckLog.Open(_folder.AckPath(entry.Id), _options.Files);
        var (cursor, above) = (acks.State.Cursor, acks.State.AckedAbove);
        if (acks.FitTo(topic.Log.StartOffset, topic.Log.EndOffset))
        {
            _logger.LogWarning(
                "The acks of {Subscription} (up to offset {Cursor}, and {Above} above it) did not fit its log, offsets {Start} to {End}, as after a power cut; they were made to fit",
                entry.Name, cursor, above, topic.Log.StartOffset, topic.Log.EndOffset);
        }

        return topic.Add(() => new BrokerSubscription(entry, topic, acks, Time));
    }

    private BrokerSnapshot OpenSnapshot(BrokerMetadata.SnapshotEntry entry)
    {
        var topic = _topicsById[entry.TopicId];
        using var acks = AckLog.Open(_folder.SnapshotPath(entry.Id), _options.Files);
        return acks.FitTo(topic.Log.StartOffset, topic.Log.EndOffset)
            ? new BrokerSnapshot(entry with { Cursor = acks.State.Cursor }, topic)
            : new BrokerSnapshot(entry, topic);
    }

    private void Save(BrokerMetadata metadata)
    {
        metadata.Save(_folder.MetadataPath, _options.Files);
        _metadata = metadata;
    }

    private static Dictionary<string, T> With<T>(Dictionary<string, T> all, string name, T added) => new(all) { [name] = added };

    private static Dictionary<string, T> Without<T>(Dictionary<string, T> all, string name)
    {
        var rest = new Dictionary<string, T>(all);
        rest.Remove(name);
        return rest;
    }

    private static RpcException NotFound(string kind, string name) =>
        new(new Status(StatusCode.NotFound, $"Resource not found: the {kind} {name} does not exist."));

    private static RpcException AlreadyExists(string kind, string name) =>
        new(new Status(StatusCode.AlreadyExists, $"Resource already exists: the {kind} {name}."));
}
