using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

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

    private (long First, int Count) Append(RawPublishRequest request)
    {
        using var received = request;
        var topic = state.Topic(request.Topic);
        using var messages = request.TakeChecked();
        durability.Check();
        try
        {
            return (topic.Log.MessageId(topic.Publish(messages)), messages.Count);
        }
        catch (ObjectDisposedException)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"The topic {request.Topic} was deleted meanwhile."));
        }
    }
}
