using System.Globalization;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>
/// Forwards undeliverable messages to the dead-letter topic, with the attributes that name where they come from:
/// https://cloud.google.com/pubsub/docs/handling-failures#dead_letter_topic.
/// </summary>
internal sealed class DeadLetterForwarder(BrokerState state, EmbeddedBrokerOptions options, ILogger logger)
{
    private const int BatchSize = 100;
    private const int BatchBytes = 4 << 20;
    private const string Prefix = "CloudPubSubDeadLetterSource";

    /// <summary>Forwards what is undeliverable. What cannot be forwarded is delivered again.</summary>
    public void Forward(BrokerSubscription subscription)
    {
        while (subscription.Undeliverable.Read(BatchSize, BatchBytes) is { Count: > 0 } batch)
        {
            try
            {
                if (subscription.Settings.DeadLetter is not { } settings)
                {
                    subscription.Undeliverable.NotForwarded(batch.Select(entry => entry.Offset));
                    continue;
                }

                var topic = state.Topic(settings.Topic);
                var deadLetters = batch.Select(entry => (entry.Offset, Message: DeadLetter(entry.Message, entry.Attempts, subscription))).ToList();
                if (topic.Settings.Schema is { } schema)
                {
                    deadLetters = WithoutNonconforming(deadLetters, new SchemaConformance(state, schema), topic, subscription);
                }

                if (deadLetters.Count > 0)
                {
                    Publish(topic, deadLetters.Select(deadLetter => deadLetter.Message));
                    subscription.Undeliverable.Forwarded(deadLetters.Select(deadLetter => deadLetter.Offset));
                }
            }
            catch (Exception error) when (error is RpcException or IOException)
            {
                logger.LogWarning("Undeliverable messages of {Subscription} cannot be forwarded and are delivered again: {Reason}", subscription.Name, error.Message);
                subscription.Undeliverable.NotForwarded(batch.Select(entry => entry.Offset));
                return;
            }
        }
    }

    private void Publish(BrokerTopic topic, IEnumerable<PubsubMessage> deadLetters)
    {
        using var messages = RawMessages.Of(deadLetters);
        topic.Publish(messages);
        if (options.Fsync != FsyncPolicy.Never)
        {
            // The ack must not outlive the copy.
            topic.Log.Sync();
        }
    }

    // A topic takes only messages that conform to its schema, also those that the service publishes:
    // https://cloud.google.com/pubsub/docs/schemas
    private List<(long Offset, PubsubMessage Message)> WithoutNonconforming(
        List<(long Offset, PubsubMessage Message)> deadLetters, SchemaConformance conformance, BrokerTopic topic, BrokerSubscription subscription)
    {
        var conforming = new List<(long Offset, PubsubMessage Message)>();
        foreach (var deadLetter in deadLetters)
        {
            try
            {
                conformance.Mark(deadLetter.Message);
                conforming.Add(deadLetter);
            }
            catch (FormatException wrong)
            {
                logger.LogWarning(
                    "The undeliverable message {MessageId} of {Subscription} is delivered again, because it does not conform to the schema of {Topic}: {Reason}",
                    deadLetter.Message.MessageId, subscription.Name, topic.Name, wrong.Message);
                subscription.Undeliverable.NotForwarded([deadLetter.Offset]);
            }
        }

        return conforming;
    }

    private static PubsubMessage DeadLetter(PubsubMessage message, int attempts, BrokerSubscription source)
    {
        var deadLetter = message.Clone();
        deadLetter.Attributes[Prefix + "DeliveryCount"] = attempts.ToString(CultureInfo.InvariantCulture);
        deadLetter.Attributes[Prefix + "Subscription"] = ResourceNames.IdOf(source.Name);
        deadLetter.Attributes[Prefix + "SubscriptionProject"] = ResourceNames.IdOf(ResourceNames.ProjectOf(source.Name));
        deadLetter.Attributes[Prefix + "TopicPublishTime"] =
            message.PublishTime.ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFzzz", CultureInfo.InvariantCulture);
        return deadLetter;
    }
}
