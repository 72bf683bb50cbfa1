using EcomStream.PubSub.Broker.Storage;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// All topics and subscriptions of a broker and their folder. Looking one up takes no lock; making and deleting are
/// serialized and written to broker.json before they are answered.
/// </summary>
internal sealed class BrokerState : IDisposable
{
    /// <summary>What a subscription names when its topic was deleted.</summary>
    public const string DeletedTopic = "_deleted-topic_";

    private readonly EmbeddedBrokerOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly FileStream _ownership;
    private readonly Dictionary<BrokerTopic, int> _topicIds = [];
    private readonly Dictionary<BrokerSubscription, int> _subscriptionIds = [];
    private volatile Dictionary<string, BrokerTopic> _topics = [];
    private volatile Dictionary<string, BrokerSubscription> _subscriptions = [];
    private int _nextId;

    private BrokerState(EmbeddedBrokerOptions options, FileStream ownership, ILogger logger)
    {
        _options = options;
        _ownership = ownership;
        _logger = logger;
    }

    public IReadOnlyCollection<BrokerTopic> Topics => _topics.Values;

    public IReadOnlyCollection<BrokerSubscription> Subscriptions => _subscriptions.Values;

    public static BrokerState Open(EmbeddedBrokerOptions options, ILogger logger)
    {
        var ownership = Own(options.DataDirectory);
        var state = new BrokerState(options, ownership, logger);
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

    public BrokerTopic Topic(string name) => _topics.TryGetValue(name, out var topic)
        ? topic
        : throw NotFound("topic", name);

    public BrokerSubscription Subscription(string name) => _subscriptions.TryGetValue(name, out var subscription)
        ? subscription
        : throw NotFound("subscription", name);

    public BrokerTopic CreateTopic(string name)
    {
        lock (_lock)
        {
            if (_topics.ContainsKey(name))
            {
                throw AlreadyExists("topic", name);
            }

            var topic = OpenTopic(_nextId++, name);
            SaveOr(() =>
            {
                _topicIds.Remove(topic);
                topic.Dispose();
            });
            _topics = new Dictionary<string, BrokerTopic>(_topics) { [name] = topic };
            return topic;
        }
    }

    public void DeleteTopic(string name)
    {
        lock (_lock)
        {
            var topic = Topic(name);
            topic.IsDeleted = true;
            var topics = new Dictionary<string, BrokerTopic>(_topics);
            topics.Remove(name);
            _topics = topics;
            Save();
            DropIfUnused(topic);
        }
    }

    public BrokerSubscription CreateSubscription(string name, string topicName, int ackDeadlineSeconds)
    {
        lock (_lock)
        {
            if (_subscriptions.ContainsKey(name))
            {
                throw AlreadyExists("subscription", name);
            }

            var topic = Topic(topicName);
            var id = _nextId++;
            var subscription = topic.Add(() => new BrokerSubscription(
                name, topic, ackDeadlineSeconds, AckLog.Create(AckPath(id), topic.Log.EndOffset), _options.Time));
            _subscriptionIds.Add(subscription, id);
            SaveOr(() =>
            {
                _subscriptionIds.Remove(subscription);
                topic.Remove(subscription);
                subscription.Delete();
            });
            _subscriptions = new Dictionary<string, BrokerSubscription>(_subscriptions) { [name] = subscription };
            return subscription;
        }
    }

    public BrokerSubscription UpdateAckDeadline(string name, int seconds)
    {
        lock (_lock)
        {
            var subscription = Subscription(name);
            var before = subscription.AckDeadlineSeconds;
            subscription.AckDeadlineSeconds = seconds;
            SaveOr(() => subscription.AckDeadlineSeconds = before);
            return subscription;
        }
    }

    public void DeleteSubscription(string name)
    {
        lock (_lock)
        {
            var subscription = Subscription(name);
            var subscriptions = new Dictionary<string, BrokerSubscription>(_subscriptions);
            subscriptions.Remove(name);
            _subscriptions = subscriptions;
            _subscriptionIds.Remove(subscription);
            subscription.Topic.Remove(subscription);
            Save();
            subscription.Delete();
            subscription.Topic.Reclaim();
            DropIfUnused(subscription.Topic);
        }
    }

    /// <summary>Deletes what every subscription has acked.</summary>
    public void Reclaim()
    {
        foreach (var topic in AllTopics())
        {
            try
            {
                topic.Reclaim();
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

        _ownership.Dispose();
    }

    private string MetadataPath => Path.Combine(_options.DataDirectory, "broker.json");

    private string AckPath(int id) => Path.Combine(_options.DataDirectory, "subscriptions", $"{id}.acks");

    private string TopicFolder(int id) => Path.Combine(_options.DataDirectory, "topics", $"{id}");

    private BrokerTopic[] AllTopics()
    {
        lock (_lock)
        {
            return [.. _topicIds.Keys];
        }
    }

    private static FileStream Own(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            Directory.CreateDirectory(Path.Combine(folder, "topics"));
            Directory.CreateDirectory(Path.Combine(folder, "subscriptions"));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BrokerStartException($"The broker's folder {folder} cannot be made ({error.Message}). Give another folder.", error);
        }

        try
        {
            return new FileStream(Path.Combine(folder, "broker.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BrokerStartException(
                $"The broker's folder {folder} is in use by another broker, or may not be written ({error.Message}). Stop the other one, or give another folder.", error);
        }
    }

    private void Load()
    {
        var metadata = BrokerMetadata.Load(MetadataPath);
        _nextId = metadata.NextId;
        var byId = new Dictionary<int, BrokerTopic>();
        var topics = new Dictionary<string, BrokerTopic>();
        foreach (var entry in metadata.Topics)
        {
            var topic = OpenTopic(entry.Id, entry.Name);
            topic.IsDeleted = entry.Deleted;
            byId[entry.Id] = topic;
            if (!entry.Deleted)
            {
                topics[entry.Name] = topic;
            }
        }

        _topics = topics;
        var subscriptions = new Dictionary<string, BrokerSubscription>();
        foreach (var entry in metadata.Subscriptions)
        {
            var topic = byId[entry.TopicId];
            var acks = AckLog.Open(AckPath(entry.Id));
            var (cursor, above) = (acks.State.Cursor, acks.State.AckedAbove);
            if (acks.FitTo(topic.Log.StartOffset, topic.Log.EndOffset))
            {
                _logger.LogWarning(
                    "The acks of {Subscription} (up to offset {Cursor}, and {Above} above it) did not fit its log, offsets {Start} to {End}, as after a power cut; they were made to fit",
                    entry.Name, cursor, above, topic.Log.StartOffset, topic.Log.EndOffset);
            }

            var subscription = topic.Add(() => new BrokerSubscription(entry.Name, topic, entry.AckDeadlineSeconds, acks, _options.Time));
            _subscriptionIds.Add(subscription, entry.Id);
            subscriptions[entry.Name] = subscription;
            _subscriptions = subscriptions;
        }

        foreach (var topic in byId.Values)
        {
            topic.Reclaim();
        }
    }

    private BrokerTopic OpenTopic(int id, string name)
    {
        var topic = new BrokerTopic(name, TopicLog.Open(TopicFolder(id), _options.SegmentBytes, _options.Time, _logger));
        _topicIds.Add(topic, id);
        return topic;
    }

    // What could not be saved did not happen.
    private void SaveOr(Action undo)
    {
        try
        {
            Save();
        }
        catch
        {
            undo();
            throw;
        }
    }

    private void DropIfUnused(BrokerTopic topic)
    {
        if (topic.IsDeleted && topic.Subscriptions.Count == 0 && _topicIds.Remove(topic, out var id))
        {
            Save();
            topic.Dispose();
            Directory.Delete(TopicFolder(id), recursive: true);
        }
    }

    private void Save() => new BrokerMetadata
    {
        NextId = _nextId,
        Topics = [.. _topicIds.Select(entry => new BrokerMetadata.TopicEntry(entry.Value, entry.Key.Name, entry.Key.IsDeleted))],
        Subscriptions =
        [
            .. _subscriptionIds.Select(entry => new BrokerMetadata.SubscriptionEntry(
                entry.Value, entry.Key.Name, _topicIds[entry.Key.Topic], entry.Key.AckDeadlineSeconds)),
        ],
    }.Save(MetadataPath);

    private static RpcException NotFound(string kind, string name) =>
        new(new Status(StatusCode.NotFound, $"Resource not found: the {kind} {name} does not exist."));

    private static RpcException AlreadyExists(string kind, string name) =>
        new(new Status(StatusCode.AlreadyExists, $"Resource already exists: the {kind} {name}."));
}
