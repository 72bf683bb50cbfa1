using System.Text.Json;
using EcomStream.PubSub.Broker.Resources;
using Google.Cloud.PubSub.V1.Schemas;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>The topics, subscriptions, snapshots and schemas as kept in broker.json, which is replaced as a whole (<see cref="MetadataJournal"/>).</summary>
internal sealed record BrokerMetadata : StoredRecord
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    /// <summary>Which journal holds the changes since it was written.</summary>
    public long Journal { get; init; }

    public int NextId { get; init; } = 1;

    public IReadOnlyList<TopicEntry> Topics { get; init; } = [];

    public IReadOnlyList<SubscriptionEntry> Subscriptions { get; init; } = [];

    public IReadOnlyList<SnapshotEntry> Snapshots { get; init; } = [];

    public IReadOnlyList<SchemaEntry> Schemas { get; init; } = [];

    /// <summary>What changes of a later version have in them that this one cannot apply, oldest first.</summary>
    public IReadOnlyList<MetadataChange> LaterChanges { get; init; } = [];

    protected override IEnumerable<StoredRecord?> Parts => [.. Topics, .. Subscriptions, .. Snapshots, .. Schemas, .. LaterChanges];

    public static BrokerMetadata Load(string path, FileStore store)
    {
        if (!store.Exists(path))
        {
            return new BrokerMetadata();
        }

        try
        {
            return JsonSerializer.Deserialize<BrokerMetadata>(store.ReadAllBytes(path), Json)
                ?? throw new JsonException("The file holds null.");
        }
        catch (JsonException damaged)
        {
            throw new BrokerStartException(
                $"{path} is damaged ({damaged.Message}). Restore a copy of the broker's folder, or move the folder away to begin anew.", damaged);
        }
    }

    /// <exception cref="IOException">The file holds what it held before.</exception>
    public void Save(string path, BrokerFiles files) =>
        files.Replace(path, JsonSerializer.SerializeToUtf8Bytes(this, Json));

    /// <param name="Id">The name of its folder.</param>
    /// <param name="Name">The topic's full name.</param>
    /// <param name="Deleted">Deleted, and kept for its subscriptions and snapshots.</param>
    internal sealed record TopicEntry(int Id, string Name, bool Deleted) : StoredRecord
    {
        public TopicSettings Settings { get; init; } = new();

        /// <summary>Its log is durable: a missing log is damage. A topic without synced messages may have none.</summary>
        public bool IsStored { get; init; }

        protected override IEnumerable<StoredRecord?> Parts => [Settings];
    }

    /// <param name="Id">The name of its file of acks.</param>
    /// <param name="Name">The subscription's full name.</param>
    /// <param name="TopicId">Its topic.</param>
    /// <param name="AckDeadlineSeconds">Its ack deadline, seconds.</param>
    internal sealed record SubscriptionEntry(int Id, string Name, int TopicId, int AckDeadlineSeconds) : StoredRecord
    {
        /// <summary>Null in files of a broker that knew nothing but the ack deadline.</summary>
        public SubscriptionSettings? Settings { get; init; }

        /// <summary>The first message whose ack is retained.</summary>
        public long RetainedFrom { get; init; }

        /// <summary>The first message that belongs to it; null in files of a broker that did not note it.</summary>
        public long? Start { get; init; }

        /// <summary>What holds, whichever broker wrote it.</summary>
        public SubscriptionSettings Effective => Settings ?? new SubscriptionSettings { AckDeadlineSeconds = AckDeadlineSeconds, Expiration = null };

        protected override IEnumerable<StoredRecord?> Parts => [Settings];
    }

    /// <param name="Id">The name of its file of acks.</param>
    /// <param name="Name">The snapshot's full name.</param>
    /// <param name="TopicId">Its topic.</param>
    /// <param name="Cursor">The first message that was not acked.</param>
    /// <param name="Expires">When it goes.</param>
    /// <param name="Labels">Its labels.</param>
    internal sealed record SnapshotEntry(
        int Id, string Name, int TopicId, long Cursor, DateTimeOffset Expires, IReadOnlyDictionary<string, string> Labels)
        : StoredRecord
    {
        /// <summary>A serialized google.iam.v1.Policy in base64; null when none was set.</summary>
        public string? IamPolicy { get; init; }
    }

    /// <param name="Id">Its number.</param>
    /// <param name="Name">The schema's full name.</param>
    /// <param name="Type">Its type.</param>
    internal sealed record SchemaEntry(int Id, string Name, Schema.Types.Type Type) : StoredRecord
    {
        /// <summary>Its revisions, oldest first; one at least.</summary>
        public IReadOnlyList<SchemaRevision> Revisions { get; init; } = [];

        /// <summary>A serialized google.iam.v1.Policy in base64; null when none was set.</summary>
        public string? IamPolicy { get; init; }

        protected override IEnumerable<StoredRecord?> Parts => Revisions;
    }

    /// <param name="Id">Eight hexadecimal digits.</param>
    /// <param name="Definition">The text of the schema.</param>
    /// <param name="Created">When it was committed.</param>
    internal sealed record SchemaRevision(string Id, string Definition, DateTimeOffset Created) : StoredRecord;
}
