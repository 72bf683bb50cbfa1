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

    public void Forward(BrokerSubscription subscription)
    {
        while (subscription.Undeliverable(BatchSize, BatchBytes) is { Count: > 0 } batch)
        {
            var offsets = batch.Select(entry => entry.Offset).ToList();
            try
            {
                if (subscription.Settings.DeadLetter is not { } settings)
                {
                    subscription.NotForwarded(offsets);
                    continue;
                }

                var topic = state.Topic(settings.Topic);
                using var letters = RawMessages.Of(batch.Select(entry => DeadLetter(entry.Message, entry.Attempts, subscription)));
                topic.Publish(letters);
                if (options.Fsync != FsyncPolicy.Never)
                {
                    // The ack must not outlive the copy.
                    topic.Log.Sync();
                }

                subscription.Forwarded(offsets);
            }
            catch (Exception error) when (error is RpcException or IOException)
            {
                logger.LogWarning("Undeliverable messages of {Subscription} cannot be forwarded and are delivered again: {Reason}", subscription.Name, error.Message);
                subscription.NotForwarded(offsets);
                return;
            }
        }
    }

    private static PubsubMessage DeadLetter(PubsubMessage message, int attempts, BrokerSubscription source)
    {
        var letter = message.Clone();
        letter.Attributes[Prefix + "DeliveryCount"] = attempts.ToString(CultureInfo.InvariantCulture);
        letter.Attributes[Prefix + "Subscription"] = ResourceNames.IdOf(source.Name);
        letter.Attributes[Prefix + "SubscriptionProject"] = ResourceNames.IdOf(ResourceNames.ProjectOf(source.Name));
        letter.Attributes[Prefix + "TopicPublishTime"] =
            message.PublishTime.ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFzzz", CultureInfo.InvariantCulture);
        return letter;
    }
}
