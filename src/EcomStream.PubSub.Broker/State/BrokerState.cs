using System.Collections.Concurrent;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>
/// All topics, subscriptions, snapshots and schemas of a broker. Looking one up takes no lock. What changes them is serialized,
/// written to the journal first and done in memory then, so that the two agree whatever the disk says.
/// </summary>
internal sealed partial class BrokerState : IDisposable
{
    private readonly EmbeddedBrokerOptions _options;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly BrokerFolder _folder;
    private readonly ConcurrentDictionary<int, BrokerTopic> _topicsById = [];
    private readonly ConcurrentDictionary<string, BrokerTopic> _topics = [];
    private readonly ConcurrentDictionary<string, BrokerSubscription> _subscriptions = [];
    private readonly ConcurrentDictionary<string, BrokerSnapshot> _snapshots = [];
    private MetadataJournal _metadata = null!;
    private bool _isDisposed;

    private BrokerState(EmbeddedBrokerOptions options, BrokerFolder folder, ILogger logger)
    {
        _options = options with { Files = options.Files.Reopened() };
        _folder = folder;
        _logger = logger;
    }

    public IEnumerable<BrokerTopic> Topics => _topics.Select(pair => pair.Value);

    public IEnumerable<BrokerSubscription> Subscriptions => _subscriptions.Select(pair => pair.Value);

    public IEnumerable<BrokerSnapshot> Snapshots => _snapshots.Select(pair => pair.Value);

    public TimeProvider Time => _options.Time;

    /// <summary>Called when a subscription was created or updated.</summary>
    public Action? SubscriptionsChanged { get; set; }

    /// <summary>The sync that has failed, after which nothing more is written; null while all have succeeded.</summary>
    public IOException? SyncFailure => _options.Files.Failure;

    public static BrokerState Open(EmbeddedBrokerOptions options, ILogger logger)
    {
        var state = new BrokerState(options, options.InMemory ? BrokerFolder.InMemory() : BrokerFolder.Own(options.DataDirectory), logger);
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

    public BrokerTopic Topic(string name) => _topics.TryGetValue(name, out var topic) ? topic : throw NotFound("topic", name, _topics.Keys);

    public BrokerSubscription Subscription(string name) => _subscriptions.TryGetValue(name, out var subscription)
        ? subscription
        : throw NotFound("subscription", name, _subscriptions.Keys);

    /// <summary>The subscription; null when there is none of that name.</summary>
    public BrokerSubscription? FindSubscription(string name) => _subscriptions.GetValueOrDefault(name);

    public BrokerSnapshot Snapshot(string name) => _snapshots.TryGetValue(name, out var snapshot)
        ? snapshot
        : throw NotFound("snapshot", name);

    /// <summary>Takes note of unsupported fields of a resource that are kept; null where they are rejected.</summary>
    public Action<string>? Keeping(string name) => _options.Lenient
        ? fields => _logger.LogWarning("{Name}: {Fields} are kept and returned, and have no effect", name, fields)
        : null;

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
            catch (IOException error)
            {
                _logger.LogWarning("Acked messages of {Topic} could not be deleted, which is tried again: {Reason}", topic.Name, error.Message);
            }
        }
    }

    /// <summary>
    /// Syncs all that was written before the call. The journal comes last: what it says to be stored is.
    /// </summary>
    public void Sync()
    {
        foreach (var topic in AllTopics())
        {
            topic.Log.Sync();
            NoteStored(topic);
        }

        foreach (var subscription in Subscriptions)
        {
            subscription.Sync();
        }

        _metadata.Sync();
    }

    /// <summary>Syncs everything and notes that nothing is lost. Nothing may be written any more but by disposing.</summary>
    public void Close()
    {
        if (_options.InMemory)
        {
            return;
        }

        Sync();
        DeleteFiles();
        _metadata.Compact();
        ClosedMarker.Write(_folder.ClosedPath, _folder.LockPath, AllTopics().ToDictionary(topic => topic.Id, topic => topic.Log.Next));
    }

    public void Dispose()
    {
        // A call that is still under way ends first; a later one finds everything closed.
        lock (_lock)
        {
            _isDisposed = true;
            foreach (var subscription in Subscriptions)
            {
                subscription.Dispose();
            }

            foreach (var topic in AllTopics())
            {
                topic.Dispose();
            }

            _metadata?.Dispose();
            _folder.Dispose();
        }
    }

    private ICollection<BrokerTopic> AllTopics() => _topicsById.Values;

    private void NoteStored(BrokerTopic topic)
    {
        if (topic.IsNotedAsStored || !topic.Log.IsStored)
        {
            return;
        }

        lock (_lock)
        {
            if (!_metadata.Topics.TryGetValue(topic.Id, out var entry))
            {
                return;
            }

            try
            {
                _metadata.Append(new MetadataChange { Topic = entry with { IsStored = true } });
                topic.IsNotedAsStored = true;
            }
            catch (IOException) when (SyncFailure is null)
            {
                // A full disk: the messages are stored all the same, and the note is tried again.
            }
        }
    }

    private string? NameOfSubscription(int id) => Subscriptions.FirstOrDefault(subscription => subscription.Id == id)?.Name;

    private long FirstOfSnapshots(BrokerTopic topic) =>
        _snapshots.Values.Where(snapshot => snapshot.Topic == topic).Select(snapshot => snapshot.Entry.Cursor).DefaultIfEmpty(long.MaxValue).Min();

    private void Load()
    {
        if (_options.InMemory)
        {
            _metadata = MetadataJournal.Open(_folder.MetadataPath, _options.Files, _logger);
            return;
        }

        var ids = ClosedMarker.Take(_folder.ClosedPath, _folder.LockPath, _options.Files);
        _metadata = MetadataJournal.Open(_folder.MetadataPath, _options.Files, _logger);
        if (_metadata.IsNew && _folder.HasMessages())
        {
            throw new BrokerStartException(
                $"{_folder.MetadataPath} is missing, but the folder holds messages. Restore a copy of the broker's folder, or move the folder away to begin anew.");
        }

        if (!_metadata.HasUnknown)
        {
            DeleteOrphans();
        }

        foreach (var entry in _metadata.Topics.Values)
        {
            var topic = LoadTopic(entry, ids.GetValueOrDefault(entry.Id));
            _topicsById[entry.Id] = topic;
            if (!topic.IsDeleted)
            {
                _topics[entry.Name] = topic;
            }
        }

        foreach (var entry in _metadata.Subscriptions.Values)
        {
            _subscriptions[entry.Name] = OpenSubscription(entry);
        }

        foreach (var entry in _metadata.Snapshots.Values)
        {
            _snapshots[entry.Name] = OpenSnapshot(entry);
        }

        foreach (var entry in _metadata.Schemas.Values)
        {
            _schemas[entry.Name] = new BrokerSchema(entry);
        }

        Reclaim();
    }

    // Before its first messages are synced, a power cut may take the folder of a topic.
    private BrokerTopic LoadTopic(BrokerMetadata.TopicEntry entry, ClosedMarker.NextMessage? next) =>
        !entry.IsStored || HasLog(_folder.TopicFolder(entry.Id))
            ? OpenTopic(entry, next)
            : throw new BrokerStartException(
                $"The messages of {entry.Name} are missing: {_folder.TopicFolder(entry.Id)} has no log file. Restore a copy of the broker's folder, or move the folder away to begin anew.");

    private bool HasLog(string folder) =>
        _options.Files.Store.FolderExists(folder) && _options.Files.Store.FilesIn(folder, ".log").Count > 0;

    private BrokerTopic OpenTopic(BrokerMetadata.TopicEntry entry, ClosedMarker.NextMessage? next = null) =>
        new(entry.Id, entry.Name, entry.Settings, TopicLog.Open(_folder.TopicFolder(entry.Id), _options, _logger, next))
        {
            IsDeleted = entry.Deleted,
            IsNotedAsStored = entry.IsStored,
        };

    private BrokerSubscription OpenSubscription(BrokerMetadata.SubscriptionEntry entry)
    {
        var topic = _topicsById[entry.TopicId];
        var acks = AckLog.Open(_folder.AckPath(entry.Id), _options.Files, entry.Start);
        var (cursor, above) = (acks.State.Cursor, acks.State.AckedAbove);
        if (acks.FitTo(topic.Log.StartOffset, topic.Log.EndOffset))
        {
            _logger.LogWarning(
                "The acks of {Subscription} (up to offset {Cursor}, and {Above} above it) did not fit its log, offsets {Start} to {End}, as after a power cut; they were made to fit",
                entry.Name, cursor, above, topic.Log.StartOffset, topic.Log.EndOffset);
        }

        return topic.Add(() => new BrokerSubscription(entry, topic, acks, Time, NameOfSubscription));
    }

    private BrokerSnapshot OpenSnapshot(BrokerMetadata.SnapshotEntry entry)
    {
        var topic = _topicsById[entry.TopicId];
        using var acks = AckLog.Open(_folder.SnapshotPath(entry.Id), _options.Files);
        return acks.FitTo(topic.Log.StartOffset, topic.Log.EndOffset)
            ? new BrokerSnapshot(entry with { Cursor = acks.State.Cursor }, topic)
            : new BrokerSnapshot(entry, topic);
    }

    // With the name in another project, if it exists there: a wrong project id is the usual mistake.
    private static RpcException NotFound(string kind, string name, IEnumerable<string>? existing = null)
    {
        var id = "/" + ResourceNames.IdOf(name);
        var other = existing?.FirstOrDefault(candidate => candidate.EndsWith(id, StringComparison.Ordinal));
        return new(new Status(
            StatusCode.NotFound,
            $"Resource not found: the {kind} {name} does not exist.{(other is null ? "" : $" {other} exists: check the project id.")}"));
    }

    private static RpcException AlreadyExists(string kind, string name) =>
        new(new Status(StatusCode.AlreadyExists, $"Resource already exists: the {kind} {name}."));
}
