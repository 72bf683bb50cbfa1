using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>
/// What a subscription had not acked at one moment; every message since then belongs to it too
/// (https://cloud.google.com/pubsub/docs/replay-overview#seek_to_a_snapshot).
/// </summary>
internal sealed record BrokerSnapshot(BrokerMetadata.SnapshotEntry Entry, BrokerTopic Topic)
{
    public string Name => Entry.Name;
}
