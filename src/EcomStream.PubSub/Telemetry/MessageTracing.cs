using System.Diagnostics;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// The trace of a message, from publisher to subscriber in the attributes that the official clients use for it
/// (https://cloud.google.com/pubsub/docs/open-telemetry-tracing), with spans as in
/// https://opentelemetry.io/docs/specs/semconv/messaging/gcp-pubsub/. Without a listener it costs nothing.
/// </summary>
internal static class MessageTracing
{
    /// <summary>What a listener listens to.</summary>
    public const string SourceName = "EcomStream.PubSub";

    private static readonly ActivitySource _source = new(SourceName);

    /// <summary>Whether anyone listens.</summary>
    public static bool IsOn => _source.HasListeners();

    /// <summary>Publishes messages, each under a span of its own where someone records it.</summary>
    /// <typeparam name="T">What the publish returns.</typeparam>
    /// <param name="topic">The topic's name, as configured.</param>
    /// <param name="messages">The messages; those with a span get its context into their attributes.</param>
    /// <param name="publish">Publishes them.</param>
    /// <param name="idsOf">The ids of the messages, in their order.</param>
    public static async Task<T> PublishAsync<T>(string topic, OutgoingMessage[] messages, Func<Task<T>> publish, Func<T, IEnumerable<string>> idsOf)
    {
        if (!IsOn)
        {
            return await publish();
        }

        var spans = new Activity?[messages.Length];
        for (var i = 0; i < spans.Length; i++)
        {
            (spans[i], messages[i]) = StartPublish(topic, messages[i]);
        }

        try
        {
            var published = await publish();
            foreach (var (span, id) in spans.Zip(idsOf(published)))
            {
                span?.SetTag("messaging.message.id", id);
            }

            return published;
        }
        catch (Exception error)
        {
            foreach (var span in spans)
            {
                span?.SetStatus(ActivityStatusCode.Error, error.Message);
            }

            throw;
        }
        finally
        {
            foreach (var span in spans)
            {
                span?.Dispose();
            }
        }
    }

    /// <summary>
    /// Starts the span of a message that is published. A message that has a trace already, such as a dead letter or its
    /// replay, goes on with that one and not with whatever publishes it.
    /// </summary>
    /// <returns>The span, if someone records it, and the message with the span's context in its attributes.</returns>
    public static (Activity? Span, OutgoingMessage Message) StartPublish(string topic, OutgoingMessage message)
    {
        if (!PubSubTracing.IsSampled(message.Attributes))
        {
            return (null, message);
        }

        // Not current: one call publishes many messages, which are no children of one another.
        var current = Activity.Current;
        var span = _source.StartActivity($"publish {topic}", ActivityKind.Producer, Context(message.Attributes));
        Activity.Current = current;
        if (span is not { Id: { } id })
        {
            return (null, message);
        }

        Describe(span, "publish", topic, message.OrderingKey);
        var attributes = new Dictionary<string, string>(message.Attributes) { [DeadLetter.TraceParent] = id };
        if (span.TraceStateString is { Length: > 0 } state)
        {
            attributes[DeadLetter.TraceState] = state;
        }

        return (span, message with { Attributes = attributes });
    }

    /// <summary>
    /// Starts the span of a message that was received, as a child of its publisher's, or of none; it ends when the
    /// message is settled.
    /// </summary>
    public static Activity? StartProcess(Delivery delivery)
    {
        if (!PubSubTracing.IsSampled(delivery.Attributes))
        {
            return null;
        }

        // What was current when the reading began has nothing to do with the message.
        var current = Activity.Current;
        Activity.Current = null;
        var span = _source.StartActivity($"process {delivery.Subscription}", ActivityKind.Consumer, Context(delivery.Attributes));
        Activity.Current = current;
        if (span is not null)
        {
            Describe(span, "process", delivery.Subscription, delivery.OrderingKey);
            span.SetTag("messaging.message.id", delivery.MessageId);
        }

        return span;
    }

    private static ActivityContext Context(IReadOnlyDictionary<string, string> attributes) =>
        ActivityContext.TryParse(
            attributes.GetValueOrDefault(DeadLetter.TraceParent), attributes.GetValueOrDefault(DeadLetter.TraceState), isRemote: true, out var context)
            ? context
            : default;

    private static void Describe(Activity span, string operation, string destination, string orderingKey)
    {
        span.SetTag("messaging.system", "gcp_pubsub");
        span.SetTag("messaging.operation.name", operation);
        span.SetTag("messaging.destination.name", destination);
        if (orderingKey.Length > 0)
        {
            span.SetTag("messaging.gcp_pubsub.message.ordering_key", orderingKey);
        }
    }
}
