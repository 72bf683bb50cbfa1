using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Publisher. What is not implemented answers UNIMPLEMENTED.</summary>
internal sealed class PublisherService(BrokerState state, Durability durability) : Publisher.PublisherBase
{
    // https://cloud.google.com/pubsub/quotas#resource_limits
    private const int MaxMessagesPerPublish = 1_000;
    private const int MaxMessageBytes = 10_000_000;
    private const int MaxAttributes = 100;
    // The official clients' own attributes, such as a trace's context.
    private const string ClientPrefix = "googclient_";

    private const int MaxAttributeKeyBytes = 256;
    private const int MaxAttributeValueBytes = 1_024;

    public override Task<Topic> CreateTopic(Topic request, ServerCallContext context)
    {
        if (!ResourceNames.IsTopic(request.Name))
        {
            throw Invalid($"Invalid topic name '{request.Name}': it must be projects/PROJECT/topics/TOPIC.");
        }

        ServiceCalls.RefuseFields(
            ("labels", request.Labels.Count > 0),
            ("kms_key_name", request.KmsKeyName.Length > 0),
            ("message_retention_duration", request.MessageRetentionDuration is not null));
        return Task.FromResult(ToProto(state.CreateTopic(request.Name)));
    }

    public override Task<Topic> GetTopic(GetTopicRequest request, ServerCallContext context) =>
        Task.FromResult(ToProto(state.Topic(request.Topic)));

    public override Task<ListTopicsResponse> ListTopics(ListTopicsRequest request, ServerCallContext context)
    {
        var (page, next) = Paging.Page(
            state.Topics.Where(topic => topic.Name.StartsWith(request.Project + "/", StringComparison.Ordinal)),
            topic => topic.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListTopicsResponse { Topics = { page.Select(ToProto) }, NextPageToken = next });
    }

    public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(ListTopicSubscriptionsRequest request, ServerCallContext context)
    {
        var (page, next) = Paging.Page(state.Topic(request.Topic).Subscriptions, s => s.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListTopicSubscriptionsResponse { Subscriptions = { page.Select(s => s.Name) }, NextPageToken = next });
    }

    public override Task<Empty> DeleteTopic(DeleteTopicRequest request, ServerCallContext context)
    {
        state.DeleteTopic(request.Topic);
        return Task.FromResult(new Empty());
    }

    public override async Task<PublishResponse> Publish(PublishRequest request, ServerCallContext context)
    {
        var topic = state.Topic(request.Topic);
        if (request.Messages.Count is 0 or > MaxMessagesPerPublish)
        {
            throw Invalid($"A publish carries 1 to {MaxMessagesPerPublish} messages, this one {request.Messages.Count}.");
        }

        foreach (var message in request.Messages)
        {
            Check(message);
        }

        topic.Publish(request.Messages);
        await durability.WrittenAsync();
        var response = new PublishResponse();
        response.MessageIds.Capacity = request.Messages.Count;
        foreach (var message in request.Messages)
        {
            response.MessageIds.Add(message.MessageId);
        }

        return response;
    }

    private static void Check(PubsubMessage message)
    {
        if (message.Data.Length == 0 && message.Attributes.Count == 0)
        {
            throw Invalid("A message must have data or at least one attribute.");
        }

        if (message.Data.Length > MaxMessageBytes)
        {
            throw Invalid($"A message has at most {MaxMessageBytes} bytes of data, this one {message.Data.Length}.");
        }

        if (message.Attributes.Count > MaxAttributes)
        {
            throw Invalid($"A message has at most {MaxAttributes} attributes, this one {message.Attributes.Count}.");
        }

        foreach (var (key, value) in message.Attributes)
        {
            if (key.Length is 0 or > MaxAttributeKeyBytes || value.Length > MaxAttributeValueBytes
                || (key.StartsWith("goog", StringComparison.Ordinal) && !key.StartsWith(ClientPrefix, StringComparison.Ordinal)))
            {
                throw Invalid(
                    $"The attribute '{key}' is not allowed: a key has 1 to {MaxAttributeKeyBytes} bytes and does not begin with goog, a value has at most {MaxAttributeValueBytes} bytes.");
            }
        }
    }

    private static Topic ToProto(BrokerTopic topic) => new() { Name = topic.Name, State = Topic.Types.State.Active };

    private static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));
}
