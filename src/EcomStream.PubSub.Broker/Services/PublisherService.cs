using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Publisher. What the broker would not keep to answers UNIMPLEMENTED.</summary>
internal sealed class PublisherService(BrokerState state, Durability durability) : Publisher.PublisherBase
{
    // https://cloud.google.com/pubsub/quotas#resource_limits
    private const int MaxMessagesPerPublish = 1_000;
    private const int MaxMessageBytes = 10_000_000;
    private const int MaxRequestBytes = 10 << 20;
    private const int MaxAttributes = 100;
    private const int MaxAttributeKeyBytes = 256;
    private const int MaxAttributeValueBytes = 1_024;
    private const int MaxOrderingKeyBytes = 1_024;

    // The official clients' own attributes, such as a trace's context.
    private const string ClientPrefix = "googclient_";

    public override Task<Topic> CreateTopic(Topic request, ServerCallContext context)
    {
        if (!ResourceNames.IsTopic(request.Name))
        {
            throw ServiceCalls.Invalid($"Invalid topic name '{request.Name}': it must be projects/PROJECT/topics/TOPIC.");
        }

        return Task.FromResult(TopicFields.ToProto(state.CreateTopic(request.Name, TopicFields.Settings(request))));
    }

    public override Task<Topic> UpdateTopic(UpdateTopicRequest request, ServerCallContext context)
    {
        var name = request.Topic?.Name ?? "";
        return Task.FromResult(TopicFields.ToProto(state.UpdateTopic(name, current => TopicFields.Updated(name, current, request))));
    }

    public override Task<Topic> GetTopic(GetTopicRequest request, ServerCallContext context) =>
        Task.FromResult(TopicFields.ToProto(state.Topic(request.Topic)));

    public override Task<ListTopicsResponse> ListTopics(ListTopicsRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Project);
        var (page, next) = Paging.Page(
            state.Topics.Where(topic => topic.Name.StartsWith(request.Project + "/", StringComparison.Ordinal)),
            topic => topic.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListTopicsResponse { Topics = { page.Select(TopicFields.ToProto) }, NextPageToken = next });
    }

    public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(ListTopicSubscriptionsRequest request, ServerCallContext context)
    {
        var (page, next) = Paging.Page(state.Topic(request.Topic).Subscriptions, s => s.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListTopicSubscriptionsResponse { Subscriptions = { page.Select(s => s.Name) }, NextPageToken = next });
    }

    public override Task<ListTopicSnapshotsResponse> ListTopicSnapshots(ListTopicSnapshotsRequest request, ServerCallContext context)
    {
        var topic = state.Topic(request.Topic);
        var (page, next) = Paging.Page(state.Snapshots.Where(s => s.Topic == topic), s => s.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListTopicSnapshotsResponse { Snapshots = { page.Select(s => s.Name) }, NextPageToken = next });
    }

    public override Task<DetachSubscriptionResponse> DetachSubscription(DetachSubscriptionRequest request, ServerCallContext context)
    {
        state.DetachSubscription(request.Subscription);
        return Task.FromResult(new DetachSubscriptionResponse());
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
            throw ServiceCalls.Invalid($"A publish carries 1 to {MaxMessagesPerPublish} messages, this one {request.Messages.Count}.");
        }

        var key = request.Messages[0].OrderingKey;
        foreach (var message in request.Messages)
        {
            Check(message);
            if (message.OrderingKey != key)
            {
                throw ServiceCalls.Invalid("The messages of one publish must all have the same ordering key, or none.");
            }
        }

        if (request.CalculateSize() > MaxRequestBytes)
        {
            throw ServiceCalls.Invalid($"A publish has at most {MaxRequestBytes} bytes, this one {request.CalculateSize()}.");
        }

        durability.Check();
        try
        {
            topic.Publish(request.Messages);
        }
        catch (ObjectDisposedException)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"The topic {request.Topic} was deleted meanwhile."));
        }

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
            throw ServiceCalls.Invalid("A message must have data or at least one attribute.");
        }

        if (message.Data.Length > MaxMessageBytes)
        {
            throw ServiceCalls.Invalid($"A message has at most {MaxMessageBytes} bytes of data, this one {message.Data.Length}.");
        }

        if (FieldRules.IsLonger(message.OrderingKey, MaxOrderingKeyBytes))
        {
            throw ServiceCalls.Invalid($"An ordering key has at most {MaxOrderingKeyBytes} bytes.");
        }

        if (message.Attributes.Count > MaxAttributes)
        {
            throw ServiceCalls.Invalid($"A message has at most {MaxAttributes} attributes, this one {message.Attributes.Count}.");
        }

        foreach (var (key, value) in message.Attributes)
        {
            if (key.Length == 0 || FieldRules.IsLonger(key, MaxAttributeKeyBytes) || FieldRules.IsLonger(value, MaxAttributeValueBytes)
                || (key.StartsWith("goog", StringComparison.Ordinal) && !key.StartsWith(ClientPrefix, StringComparison.Ordinal)))
            {
                throw ServiceCalls.Invalid(
                    $"The attribute '{key}' is not allowed: a key has 1 to {MaxAttributeKeyBytes} bytes and does not begin with goog, a value has at most {MaxAttributeValueBytes} bytes.");
            }
        }
    }
}
