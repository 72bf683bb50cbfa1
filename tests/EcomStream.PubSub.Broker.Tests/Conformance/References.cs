namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>The pages that document what the suite looks for.</summary>
internal static class References
{
    public const string Rpc = "https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1";
    public const string Rest = "https://cloud.google.com/pubsub/docs/reference/rest";
    public const string Push = "https://cloud.google.com/pubsub/docs/push";
    public const string PushTokens = "https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions";
    public const string Iam = "https://cloud.google.com/pubsub/docs/access-control";
    public const string Unwrapping = "https://cloud.google.com/pubsub/docs/payload-unwrapping";
    public const string RestErrors = "https://cloud.google.com/apis/design/errors#http_mapping";
    public const string Names = "https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names";
    public const string Limits = "https://cloud.google.com/pubsub/quotas#resource_limits";
    public const string Errors = "https://cloud.google.com/pubsub/docs/reference/error-codes";
    public const string Leases = "https://cloud.google.com/pubsub/docs/lease-management";
    public const string Properties = "https://cloud.google.com/pubsub/docs/subscription-properties";
    public const string Filters = "https://cloud.google.com/pubsub/docs/subscription-message-filter";
    public const string Ordering = "https://cloud.google.com/pubsub/docs/ordering";
    public const string ExactlyOnce = "https://cloud.google.com/pubsub/docs/exactly-once-delivery";
    public const string DeadLetters = "https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic";
    public const string Retry = "https://cloud.google.com/pubsub/docs/handling-failures#subscription_retry_policy";
    public const string Replay = "https://cloud.google.com/pubsub/docs/replay-overview";
    public const string Detach = "https://cloud.google.com/pubsub/docs/detach-subscriptions";
    public const string Labels = "https://cloud.google.com/pubsub/docs/create-topic-labels";
    public const string Schemas = "https://cloud.google.com/pubsub/docs/schemas";
    public const string SchemaRpc = "https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#schemaservice";
    public const string SchemaRevisions = "https://cloud.google.com/pubsub/docs/commit-schema-revision";
    public const string SchemaTopics = "https://cloud.google.com/pubsub/docs/associate-schema-topic";
}
