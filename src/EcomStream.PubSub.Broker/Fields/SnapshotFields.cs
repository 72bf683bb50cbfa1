using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Fields;

/// <summary>google.pubsub.v1.Snapshot of what the broker keeps, and its updates.</summary>
internal static class SnapshotFields
{
    // https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#snapshot
    private static readonly TimeSpan LongestLife = TimeSpan.FromDays(7);

    public static Snapshot ToProto(BrokerSnapshot snapshot) => ToProto(snapshot.Entry, snapshot.Topic.VisibleName);

    public static BrokerMetadata.SnapshotEntry Updated(BrokerMetadata.SnapshotEntry current, UpdateSnapshotRequest request, DateTimeOffset now)
    {
        var updated = FieldRules.Updated(ToProto(current, ""), request.Snapshot, request.UpdateMask, "name", "topic");
        var expires = updated.ExpireTime is { } time ? FieldRules.Time("expire_time", time) : current.Expires;
        if (expires != current.Expires && (expires <= now || expires > now + LongestLife))
        {
            throw ServiceCalls.Invalid($"expire_time is {expires:u}; it must be within {LongestLife.TotalDays:0} days from now.");
        }

        return current with { Expires = expires, Labels = FieldRules.Labels(updated.Labels) };
    }

    private static Snapshot ToProto(BrokerMetadata.SnapshotEntry entry, string topic)
    {
        var proto = new Snapshot { Name = entry.Name, Topic = topic, ExpireTime = entry.Expires.ToTimestamp() };
        proto.Labels.Add(entry.Labels.ToDictionary());
        return proto;
    }
}
