using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Topic to what the broker keeps of it, and back.</summary>
internal static class TopicFields
{
    // https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#topic
    private static readonly TimeSpan ShortestRetention = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestRetention = TimeSpan.FromDays(31);

    public static TopicSettings Settings(Topic topic)
    {
        ServiceCalls.RefuseFields(
            ("message_storage_policy", topic.MessageStoragePolicy is not null),
            ("kms_key_name", topic.KmsKeyName.Length > 0),
            ("schema_settings", topic.SchemaSettings is not null),
            ("ingestion_data_source_settings", topic.IngestionDataSourceSettings is not null),
            ("message_transforms", topic.MessageTransforms.Count > 0));
        return new TopicSettings
        {
            Labels = FieldRules.Labels(topic.Labels),
            MessageRetention = FieldRules.Within(
                "message_retention_duration", topic.MessageRetentionDuration, ShortestRetention, LongestRetention),
        };
    }

    public static Topic ToProto(BrokerTopic topic) => ToProto(topic.Name, topic.Settings);

    public static TopicSettings Updated(string name, TopicSettings current, UpdateTopicRequest request) =>
        Settings(FieldRules.Updated(ToProto(name, current), request.Topic, request.UpdateMask, "name", "satisfies_pzs", "state"));

    private static Topic ToProto(string name, TopicSettings settings)
    {
        var topic = new Topic
        {
            Name = name,
            State = Topic.Types.State.Active,
            MessageRetentionDuration = settings.MessageRetention?.ToDuration(),
        };
        topic.Labels.Add(settings.Labels.ToDictionary());
        return topic;
    }
}
