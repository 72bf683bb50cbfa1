using System.Text.Json;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>What broker.json and the changes since it was written come to: topics, subscriptions, snapshots and schemas by their ids.</summary>
internal sealed class MetadataTables
{
    private readonly Dictionary<int, BrokerMetadata.TopicEntry> _topics = [];
    private readonly Dictionary<int, BrokerMetadata.SubscriptionEntry> _subscriptions = [];
    private readonly Dictionary<int, BrokerMetadata.SnapshotEntry> _snapshots = [];
    private readonly Dictionary<int, BrokerMetadata.SchemaEntry> _schemas = [];
    private readonly List<MetadataChange> _later = [];
    private readonly Dictionary<string, JsonElement>? _unknown;

    /// <param name="stored">What broker.json holds.</param>
    public MetadataTables(BrokerMetadata stored)
    {
        _unknown = stored.Unknown;
        NextId = stored.NextId;
        AddAll(_topics, stored.Topics, entry => entry.Id);
        AddAll(_subscriptions, stored.Subscriptions, entry => entry.Id);
        AddAll(_snapshots, stored.Snapshots, entry => entry.Id);
        AddAll(_schemas, stored.Schemas, entry => entry.Id);
        foreach (var change in stored.LaterChanges)
        {
            Apply(change);
        }
    }

    public int NextId { get; private set; }

    public IReadOnlyDictionary<int, BrokerMetadata.TopicEntry> Topics => _topics;

    public IReadOnlyDictionary<int, BrokerMetadata.SubscriptionEntry> Subscriptions => _subscriptions;

    public IReadOnlyDictionary<int, BrokerMetadata.SnapshotEntry> Snapshots => _snapshots;

    public IReadOnlyDictionary<int, BrokerMetadata.SchemaEntry> Schemas => _schemas;

    public void Apply(MetadataChange change)
    {
        NextId = change.NextId ?? NextId;
        Set(_topics, change.Topic?.Id, change.Topic, change.RemovedTopic);
        Set(_subscriptions, change.Subscription?.Id, change.Subscription, change.RemovedSubscription);
        Set(_snapshots, change.Snapshot?.Id, change.Snapshot, change.RemovedSnapshot);
        Set(_schemas, change.Schema?.Id, change.Schema, change.RemovedSchema);
        if (change.Unknown is not null)
        {
            _later.Add(new MetadataChange { Unknown = change.Unknown });
        }
    }

    /// <summary>All of it, with what this version does not know.</summary>
    /// <param name="journal">Which journal holds the changes from here on.</param>
    public BrokerMetadata ToMetadata(long journal) => new()
    {
        Journal = journal,
        NextId = NextId,
        Topics = [.. _topics.Values.OrderBy(entry => entry.Id)],
        Subscriptions = [.. _subscriptions.Values.OrderBy(entry => entry.Id)],
        Snapshots = [.. _snapshots.Values.OrderBy(entry => entry.Id)],
        Schemas = [.. _schemas.Values.OrderBy(entry => entry.Id)],
        LaterChanges = _later,
        Unknown = _unknown,
    };

    private static void AddAll<T>(Dictionary<int, T> entries, IEnumerable<T> stored, Func<T, int> idOf)
    {
        foreach (var entry in stored)
        {
            entries.Add(idOf(entry), entry);
        }
    }

    private static void Set<T>(Dictionary<int, T> entries, int? id, T? entry, int? removed)
        where T : class
    {
        if (entry is not null)
        {
            entries[id!.Value] = entry;
        }

        if (removed is { } gone)
        {
            entries.Remove(gone);
        }
    }
}
