using System.Globalization;

namespace EcomStream.Core;

/// <summary>The attributes of a message on a dead-letter topic.</summary>
public static partial class DeadLetter
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

    /// <summary>Present, with the value "true", when the data was rebuilt from the facts table because the original message was no longer known.</summary>
    public const string Rebuilt = "rebuilt";

    /// <summary>What was left out of the dead letter to stay within the service's limits; see <see cref="ToMessage"/>.</summary>
    public const string Trimmed = "trimmed";

    /// <summary>
    /// The W3C traceparent of the publisher of the message that failed, whose trace goes on in the dead letter, in the
    /// attribute that the official clients use (https://cloud.google.com/pubsub/docs/open-telemetry-tracing).
    /// </summary>
    public const string TraceParent = "googclient_traceparent";

    /// <summary>The W3C tracestate that goes with it.</summary>
    public const string TraceState = "googclient_tracestate";

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

    /// <summary>Whether EcomStream itself sets an attribute on dead letters and replays.</summary>
    public static bool IsOwn(string attribute) => attribute
        is Reason or Detail or OrderId or PaymentId or SourceSubscription or SourceMessageId or SourcePublishTime
        or DeadLetteredAt or Replays or Id or Rebuilt or Trimmed;
}

/// <summary>A message is the replay of a dead letter.</summary>
/// <param name="Id">The dead letter's id.</param>
/// <param name="Count">How often it has been replayed, this time included; 1 or more.</param>
public sealed record Replay(string Id, int Count);
