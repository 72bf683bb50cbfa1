using EcomStream.PubSub.Broker.Resources;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>One change of <see cref="BrokerMetadata"/>, as appended to the journal: an entry that is new or replaced, or one that is removed.</summary>
internal sealed record MetadataChange : StoredRecord
{
    /// <summary>The next free id, if the change takes one.</summary>
    public int? NextId { get; init; }

    public BrokerMetadata.TopicEntry? Topic { get; init; }

    public BrokerMetadata.SubscriptionEntry? Subscription { get; init; }

    public BrokerMetadata.SnapshotEntry? Snapshot { get; init; }

    public BrokerMetadata.SchemaEntry? Schema { get; init; }

    public int? RemovedTopic { get; init; }

    public int? RemovedSubscription { get; init; }

    public int? RemovedSnapshot { get; init; }

    public int? RemovedSchema { get; init; }

    protected override IEnumerable<StoredRecord?> Parts => [Topic, Subscription, Snapshot, Schema];
}
