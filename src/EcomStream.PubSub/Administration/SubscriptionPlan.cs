using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub;

/// <summary>A topic with its subscription, as they should be.</summary>
public sealed record SubscriptionPlan
{
    /// <summary>The topic, short or full.</summary>
    public required string Topic { get; init; }

    /// <summary>The subscription, short or full.</summary>
    public required string Subscription { get; init; }

    /// <summary>The subscription's ack deadline, 10 s to 600 s.</summary>
    public required TimeSpan AckDeadline { get; init; }

    /// <summary>How long it keeps what is not acked, 10 minutes to 31 days; zero for the service's own, 7 days.</summary>
    public TimeSpan Retention { get; init; }

    /// <summary>Whether acks are confirmed.</summary>
    public bool ExactlyOnce { get; init; }

    /// <summary>The topic to which the service itself moves what was delivered too often; empty for none.</summary>
    public string DeadLetterTopic { get; init; } = "";

    /// <summary>How often it is delivered before that, 5 to 100.</summary>
    public int MaxDeliveryAttempts { get; init; }

    /// <summary>Whether this process publishes to the topic.</summary>
    public bool Publishes { get; init; }

    /// <summary>Whether this process reads the subscription.</summary>
    public bool Consumes { get; init; }

    internal Subscription ToWire(PubSubSettings settings)
    {
        var subscription = new Subscription
        {
            Name = settings.SubscriptionName(Subscription),
            Topic = settings.TopicName(Topic),
            AckDeadlineSeconds = (int)AckDeadline.TotalSeconds,
            EnableExactlyOnceDelivery = ExactlyOnce,

            // Without it the service deletes a subscription that nobody has read for 31 days.
            ExpirationPolicy = new ExpirationPolicy(),
        };
        if (Retention > TimeSpan.Zero)
        {
            subscription.MessageRetentionDuration = Duration.FromTimeSpan(Retention);
        }

        if (DeadLetterTopic.Length > 0)
        {
            subscription.DeadLetterPolicy = new DeadLetterPolicy
            {
                DeadLetterTopic = settings.TopicName(DeadLetterTopic),
                MaxDeliveryAttempts = MaxDeliveryAttempts,
            };
        }

        return subscription;
    }

    /// <summary>What is otherwise with the subscription that there is.</summary>
    internal IEnumerable<string> Differences(Subscription found, PubSubSettings settings)
    {
        var wanted = ToWire(settings);
        if (found.Topic != wanted.Topic)
        {
            yield return $"its topic is {found.Topic}, not {wanted.Topic}";
        }

        if (found.Detached)
        {
            yield return "it is detached from its topic, and receives nothing";
        }

        if (found.AckDeadlineSeconds != wanted.AckDeadlineSeconds)
        {
            yield return $"its ack deadline is {found.AckDeadlineSeconds} s, not {wanted.AckDeadlineSeconds} s";
        }

        if (Retention > TimeSpan.Zero && found.MessageRetentionDuration is { } kept && kept.ToTimeSpan() != Retention)
        {
            yield return $"it keeps messages for {kept.ToTimeSpan().TotalHours:0.##} h, not {Retention.TotalHours:0.##} h";
        }

        if (found.EnableExactlyOnceDelivery != ExactlyOnce)
        {
            yield return $"exactly-once delivery is {(found.EnableExactlyOnceDelivery ? "on, not off" : "off, not on")}";
        }

        if (found.Filter.Length > 0)
        {
            yield return $"its filter drops messages: {found.Filter}";
        }

        if (found.PushConfig is { PushEndpoint.Length: > 0 } push)
        {
            yield return $"it pushes to {push.PushEndpoint}, and cannot be pulled";
        }

        if (found.ExpirationPolicy is { Ttl: { } ttl })
        {
            yield return $"it is deleted when nobody has read it for {ttl.ToTimeSpan().TotalDays:0.##} days";
        }

        if (Text(found.DeadLetterPolicy) is var policy && policy != Text(wanted.DeadLetterPolicy))
        {
            yield return $"its dead-letter policy is {policy}, not {Text(wanted.DeadLetterPolicy)}";
        }
    }

    private static string Text(DeadLetterPolicy? policy) =>
        policy is null || policy.DeadLetterTopic.Length == 0 ? "none" : $"{policy.DeadLetterTopic} after {policy.MaxDeliveryAttempts} deliveries";
}
