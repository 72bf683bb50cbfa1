using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Publishing;

/// <summary>google.pubsub.v1.Publisher/Publish, whose messages go into the log as they came (<see cref="RawPublishRequest"/>).</summary>
[BindServiceMethod(typeof(PublisherBinding), nameof(PublisherBinding.BindPublish))]
internal class PublishService(BrokerState state, Durability durability)
{
    // ASP.NET Core binds virtual methods only.
    public virtual async Task<RawPublishResponse> Publish(RawPublishRequest request, ServerCallContext context)
    {
        var (first, count) = Append(request);
        await durability.WrittenAsync();
        return new RawPublishResponse(first, count);
    }

    /// <summary>Appends checked messages.</summary>
    /// <param name="topic">The topic.</param>
    /// <param name="messages">The messages.</param>
    /// <param name="durability">Whether anything can be written.</param>
    /// <param name="publishMicros">The publish time of the first, microseconds since the Unix epoch; null for the present.</param>
    /// <returns>The id of the first; the others follow it.</returns>
    public static long Append(BrokerTopic topic, RawMessages messages, Durability durability, long? publishMicros = null)
    {
        durability.Check();
        try
        {
            return topic.Log.MessageId(topic.Publish(messages, publishMicros));
        }
        catch (ObjectDisposedException)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"The topic {topic.Name} was deleted meanwhile."));
        }
    }

    private (long First, int Count) Append(RawPublishRequest request)
    {
        using var received = request;
        var topic = state.Topic(request.Topic);
        using var taken = request.TakeChecked();
        using var messages = topic.Settings.Schema is { } schema ? RawMessages.Of(SchemaConformance.Checked(state, schema, taken.Parse().Messages)) : null;
        return (Append(topic, messages ?? taken, durability), taken.Count);
    }
}
