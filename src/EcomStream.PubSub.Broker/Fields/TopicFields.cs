using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Fields;

/// <summary>google.pubsub.v1.Topic to what the broker keeps of it, and back.</summary>
internal static class TopicFields
{
    // https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#topic
    private static readonly TimeSpan ShortestRetention = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestRetention = TimeSpan.FromDays(31);

    /// <param name="topic">The topic.</param>
    /// <param name="keep">Told of the unsupported fields that are kept; null where they are rejected.</param>
    public static TopicSettings Settings(Topic topic, Action<string>? keep)
    {
        var rest = topic.Clone();
        rest.Name = "";
        rest.Labels.Clear();
        rest.MessageRetentionDuration = null;
        rest.SchemaSettings = null;
        rest.SatisfiesPzs = false;
        rest.State = Topic.Types.State.Unspecified;
        return new TopicSettings
        {
            Unsupported = ServiceCalls.RejectOrKeep(rest, keep),
            Labels = FieldRules.Labels(topic.Labels),
            Schema = SchemaFields.Settings(topic.SchemaSettings),
            MessageRetention = FieldRules.Within(
                "message_retention_duration", topic.MessageRetentionDuration, ShortestRetention, LongestRetention),
        };
    }

    public static Topic ToProto(BrokerTopic topic) => ToProto(topic.Name, topic.Settings);

    public static TopicSettings Updated(string name, TopicSettings current, UpdateTopicRequest request, Action<string>? keep)
    {
        var updated = Settings(FieldRules.Updated(ToProto(name, current), request.Topic, request.UpdateMask, "name", "satisfies_pzs", "state"), keep);
        return updated with
        {
            IamPolicy = current.IamPolicy,
            Schema = StoredRecord.Keeping(updated.Schema, current.Schema),
            Unknown = current.Unknown,
        };
    }

    private static Topic ToProto(string name, TopicSettings settings)
    {
        var topic = new Topic
        {
            Name = name,
            State = Topic.Types.State.Active,
            MessageRetentionDuration = settings.MessageRetention?.ToDuration(),
        };
        topic.Labels.Add(settings.Labels.ToDictionary());
        topic.SchemaSettings = SchemaFields.ToProto(settings.Schema);
        if (settings.Unsupported is { } unsupported)
        {
            topic.MergeFrom(Convert.FromBase64String(unsupported));
        }

        return topic;
    }
}
