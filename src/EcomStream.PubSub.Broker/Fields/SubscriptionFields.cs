using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Filters;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Fields;

/// <summary>
/// google.pubsub.v1.Subscription to what the broker keeps of it, and back. Bounds and defaults:
/// https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#subscription.
/// </summary>
internal static class SubscriptionFields
{
    public const string AckDeadline = "ack_deadline_seconds";

    private const int DefaultDeliveryAttempts = 5;
    private const int FewestDeliveryAttempts = 5;
    private const int MostDeliveryAttempts = 100;
    private static readonly TimeSpan ShortestRetention = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LongestRetention = TimeSpan.FromDays(31);
    private static readonly TimeSpan ShortestExpiration = TimeSpan.FromDays(1);
    private static readonly TimeSpan LongestExpiration = TimeSpan.FromDays(10_000);
    private static readonly TimeSpan DefaultMinimumBackoff = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(600);

    /// <param name="subscription">The subscription.</param>
    /// <param name="keep">Told of the unsupported fields that are kept; null where they are rejected.</param>
    public static SubscriptionSettings Settings(Subscription subscription, Action<string>? keep)
    {
        var unsupported = ServiceCalls.RejectOrKeep(Unsupported(subscription), keep);
        var seconds = subscription.AckDeadlineSeconds == 0 ? SubscriptionSettings.DefaultAckDeadlineSeconds : subscription.AckDeadlineSeconds;
        FieldRules.CheckAckDeadline(AckDeadline, seconds);
        var retention = FieldRules.Within("message_retention_duration", subscription.MessageRetentionDuration, ShortestRetention, LongestRetention)
            ?? SubscriptionSettings.DefaultRetention;
        var expiration = subscription.ExpirationPolicy is { } policy
            ? FieldRules.Within("expiration_policy.ttl", policy.Ttl, ShortestExpiration, LongestExpiration)
            : SubscriptionSettings.DefaultExpiration;
        CheckFilter(subscription.Filter);
        var settings = new SubscriptionSettings
        {
            Unsupported = unsupported,
            AckDeadlineSeconds = seconds,
            RetainAckedMessages = subscription.RetainAckedMessages,
            MessageRetention = retention,
            Labels = FieldRules.Labels(subscription.Labels),
            EnableMessageOrdering = subscription.EnableMessageOrdering,
            Expiration = expiration,
            Filter = subscription.Filter,
            DeadLetter = DeadLetter(subscription.DeadLetterPolicy),
            Retry = Retry(subscription.RetryPolicy),
            EnableExactlyOnceDelivery = subscription.EnableExactlyOnceDelivery,
        };
        return WithPush(settings, subscription.PushConfig);
    }

    /// <summary>The settings with another push_config.</summary>
    public static SubscriptionSettings WithPush(SubscriptionSettings settings, PushConfig? config)
    {
        var push = PushFields.Settings(config);
        return push is null || !settings.EnableExactlyOnceDelivery
            ? settings with { Push = push }
            : throw ServiceCalls.Invalid("enable_exactly_once_delivery cannot be combined with push_config.");
    }

    public static Subscription ToProto(BrokerSubscription subscription)
    {
        var proto = ToProto(subscription.Name, subscription.Topic.VisibleName, subscription.Settings);
        proto.TopicMessageRetentionDuration = subscription.Topic.Retention?.ToDuration();
        return proto;
    }

    public static SubscriptionSettings Updated(string name, SubscriptionSettings current, UpdateSubscriptionRequest request, Action<string>? keep)
    {
        var fields = FieldRules.Updated(
            ToProto(name, "", current), request.Subscription, request.UpdateMask,
            "name", "topic", "filter", "enable_message_ordering", "detached", "topic_message_retention_duration", "state");
        var updated = Settings(fields, keep);
        return updated with
        {
            Detached = current.Detached,
            IamPolicy = current.IamPolicy,
            DeadLetter = StoredRecord.Keeping(updated.DeadLetter, current.DeadLetter),
            Retry = StoredRecord.Keeping(updated.Retry, current.Retry),
            Push = StoredRecord.Keeping(updated.Push, current.Push),
            Unknown = current.Unknown,
        };
    }

    private static Subscription ToProto(string name, string topic, SubscriptionSettings settings)
    {
        var proto = new Subscription
        {
            Name = name,
            Topic = topic,
            PushConfig = PushFields.ToProto(settings.Push),
            AckDeadlineSeconds = settings.AckDeadlineSeconds,
            RetainAckedMessages = settings.RetainAckedMessages,
            MessageRetentionDuration = settings.MessageRetention.ToDuration(),
            EnableMessageOrdering = settings.EnableMessageOrdering,
            ExpirationPolicy = new ExpirationPolicy { Ttl = settings.Expiration?.ToDuration() },
            Filter = settings.Filter,
            EnableExactlyOnceDelivery = settings.EnableExactlyOnceDelivery,
            Detached = settings.Detached,
            State = Subscription.Types.State.Active,
        };
        proto.Labels.Add(settings.Labels.ToDictionary());
        if (settings.DeadLetter is { } deadLetter)
        {
            proto.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = deadLetter.Topic, MaxDeliveryAttempts = deadLetter.MaxDeliveryAttempts };
        }

        if (settings.Retry is { } retry)
        {
            proto.RetryPolicy = new RetryPolicy { MinimumBackoff = retry.Minimum.ToDuration(), MaximumBackoff = retry.Maximum.ToDuration() };
        }

        if (settings.Unsupported is { } unsupported)
        {
            proto.MergeFrom(Convert.FromBase64String(unsupported));
        }

        return proto;
    }

    // What is left of it without the supported fields, and without those that only the server sets.
    private static Subscription Unsupported(Subscription subscription)
    {
        var rest = subscription.Clone();
        (rest.Name, rest.Topic, rest.Filter) = ("", "", "");
        rest.AckDeadlineSeconds = 0;
        (rest.RetainAckedMessages, rest.EnableMessageOrdering, rest.EnableExactlyOnceDelivery, rest.Detached) = (false, false, false, false);
        (rest.MessageRetentionDuration, rest.TopicMessageRetentionDuration) = (null, null);
        (rest.ExpirationPolicy, rest.DeadLetterPolicy, rest.RetryPolicy, rest.PushConfig) = (null, null, null, null);
        rest.Labels.Clear();
        rest.State = Subscription.Types.State.Unspecified;
        rest.AnalyticsHubSubscriptionInfo = null;
        return rest;
    }

    private static void CheckFilter(string filter)
    {
        try
        {
            if (filter.Length > 0)
            {
                FilterParser.Parse(filter);
            }
        }
        catch (FormatException wrong)
        {
            throw ServiceCalls.Invalid($"The filter '{filter}' is not valid: {wrong.Message}.");
        }
    }

    private static DeadLetterSettings? DeadLetter(DeadLetterPolicy? policy)
    {
        if (policy is null)
        {
            return null;
        }

        if (ResourceNames.BrokenRule("topic", policy.DeadLetterTopic) is { } rule)
        {
            throw ServiceCalls.Invalid($"dead_letter_policy.dead_letter_topic is '{policy.DeadLetterTopic}': {rule}.");
        }

        var attempts = policy.MaxDeliveryAttempts == 0 ? DefaultDeliveryAttempts : policy.MaxDeliveryAttempts;
        return attempts is >= FewestDeliveryAttempts and <= MostDeliveryAttempts
            ? new DeadLetterSettings(policy.DeadLetterTopic, attempts)
            : throw ServiceCalls.Invalid(
                $"dead_letter_policy.max_delivery_attempts is {attempts}; it must be {FewestDeliveryAttempts} to {MostDeliveryAttempts}.");
    }

    private static RetrySettings? Retry(RetryPolicy? policy)
    {
        if (policy is null)
        {
            return null;
        }

        var minimum = FieldRules.Within("retry_policy.minimum_backoff", policy.MinimumBackoff, TimeSpan.Zero, LongestBackoff);
        var maximum = FieldRules.Within("retry_policy.maximum_backoff", policy.MaximumBackoff, TimeSpan.Zero, LongestBackoff) ?? LongestBackoff;
        if (minimum > maximum)
        {
            throw ServiceCalls.Invalid("retry_policy.minimum_backoff is greater than retry_policy.maximum_backoff.");
        }

        return new RetrySettings(minimum ?? (DefaultMinimumBackoff < maximum ? DefaultMinimumBackoff : maximum), maximum);
    }
}
