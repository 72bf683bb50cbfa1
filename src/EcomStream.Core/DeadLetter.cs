using System.Globalization;

namespace EcomStream.Core;

/// <summary>The attributes of a message on a dead-letter topic.</summary>
public static class DeadLetter
{
    /// <summary>Why; one of <see cref="DeadLetterReasons.ToAttribute"/>.</summary>
    public const string Reason = "reason";

    /// <summary>What a human should know, such as the position of a JSON error.</summary>
    public const string Detail = "detail";

    /// <summary>The order, where one could be read.</summary>
    public const string OrderId = "order_id";

    /// <summary>The payment, where one could be read.</summary>
    public const string PaymentId = "payment_id";

    /// <summary>The subscription that the message came from.</summary>
    public const string SourceSubscription = "source_subscription";

    /// <summary>The message's id there.</summary>
    public const string SourceMessageId = "source_message_id";

    /// <summary>The message's publish time there, RFC 3339 in UTC with microseconds.</summary>
    public const string SourcePublishTime = "source_publish_time";

    /// <summary>When it was dead-lettered, RFC 3339 in UTC with microseconds.</summary>
    public const string DeadLetteredAt = "dead_lettered_at";

    /// <summary>How often an operator has replayed it, decimal.</summary>
    public const string Replays = "replays";

    /// <summary>The same for every copy of one dead letter, so that readers can drop duplicates.</summary>
    public const string Id = "dead_letter_id";

    /// <summary>
    /// The W3C traceparent of the publisher of the message that failed, whose trace goes on in the dead letter, in the
    /// attribute that the official clients use (https://cloud.google.com/pubsub/docs/open-telemetry-tracing).
    /// </summary>
    public const string TraceParent = "googclient_traceparent";

    /// <summary>The W3C tracestate that goes with it.</summary>
    public const string TraceState = "googclient_tracestate";

    /// <summary>Builds the message for the dead-letter topic: data and ordering key unchanged, the attributes above.</summary>
    /// <param name="delivery">The message that failed.</param>
    /// <param name="reason">Why.</param>
    /// <param name="detail">What a human should know; its first 256 characters are kept, within the 1,024 bytes of an attribute.</param>
    /// <param name="id">The dead letter's id.</param>
    /// <param name="now">When it was given up.</param>
    /// <param name="orderId">The order, where one could be read.</param>
    /// <param name="paymentId">The payment, where one could be read.</param>
    /// <param name="replays">How often it was replayed.</param>
    public static OutgoingMessage ToMessage(
        Delivery delivery, DeadLetterReason reason, string detail, string id, DateTimeOffset now, long? orderId, long? paymentId, int replays)
    {
        var attributes = new Dictionary<string, string>(10)
        {
            [Reason] = reason.ToAttribute(),
            [Detail] = Cut(detail),
            [SourceSubscription] = delivery.Subscription,
            [SourceMessageId] = delivery.MessageId,
            [SourcePublishTime] = Timestamps.Rfc3339(delivery.PublishTimeMicros),
            [DeadLetteredAt] = Timestamps.Rfc3339(Timestamps.Micros(now)),
            [Replays] = replays.ToString(CultureInfo.InvariantCulture),
            [Id] = id,
        };
        if (orderId is { } order)
        {
            attributes[OrderId] = order.ToString(CultureInfo.InvariantCulture);
        }

        if (paymentId is { } payment)
        {
            attributes[PaymentId] = payment.ToString(CultureInfo.InvariantCulture);
        }

        foreach (var name in (ReadOnlySpan<string>)[TraceParent, TraceState])
        {
            if (delivery.Attributes.TryGetValue(name, out var trace))
            {
                attributes[name] = trace;
            }
        }

        return new OutgoingMessage(delivery.Data, attributes, delivery.OrderingKey);
    }

    /// <summary>What a message says of having been replayed from the dead letters.</summary>
    /// <param name="attributes">The message's attributes.</param>
    /// <returns>Null for a message that was not replayed.</returns>
    public static Replay? ReplayOf(IReadOnlyDictionary<string, string> attributes) =>
        attributes.Count > 0
        && attributes.TryGetValue(Id, out var id)
        && attributes.TryGetValue(Replays, out var replays)
        && int.TryParse(replays, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0
            ? new Replay(id, count)
            : null;

    /// <summary>Builds the message that gives a dead letter back to the topic that it came from: data and attributes as they were, and which dead letter it is.</summary>
    /// <param name="row">The dead letter; its <see cref="UnmatchedPayment.Replays"/> count this one.</param>
    public static OutgoingMessage ToReplay(UnmatchedPayment row)
    {
        var attributes = new Dictionary<string, string>(MessageAttributes.Of(row.AttributesJson))
        {
            [Id] = row.Id,
            [Replays] = row.Replays.ToString(CultureInfo.InvariantCulture),
        };
        return new OutgoingMessage(row.Data, attributes);
    }

    // 256 UTF-16 units are at most 768 bytes; half a surrogate pair could not be sent.
    private static string Cut(string detail) =>
        detail.Length <= 256 ? detail : detail[..(char.IsHighSurrogate(detail[255]) ? 255 : 256)];
}

/// <summary>A message is the replay of a dead letter.</summary>
/// <param name="Id">The dead letter's id.</param>
/// <param name="Count">How often it has been replayed, this time included; 1 or more.</param>
public sealed record Replay(string Id, int Count);
