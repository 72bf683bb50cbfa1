using System.Globalization;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Broker.Publishing;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Publisher; gRPC publishes by <see cref="PublishService"/>. What is not supported answers UNIMPLEMENTED.</summary>
[BindServiceMethod(typeof(PublisherBinding), nameof(PublisherBinding.BindService))]
internal sealed class PublisherService(BrokerState state, Durability durability) : Publisher.PublisherBase
{
    public override async Task<Topic> CreateTopic(Topic request, ServerCallContext context)
    {
        ServiceCalls.CheckName("topic", request.Name);
        var topic = state.CreateTopic(request.Name, TopicFields.Settings(request, state.Keeping(request.Name)));
        await durability.WrittenAsync();
        return TopicFields.ToProto(topic);
    }

    public override async Task<Topic> UpdateTopic(UpdateTopicRequest request, ServerCallContext context)
    {
        var name = request.Topic?.Name ?? "";
        var topic = state.UpdateTopic(name, current => TopicFields.Updated(name, current, request, state.Keeping(name)));
        await durability.WrittenAsync();
        return TopicFields.ToProto(topic);
    }

    /// <summary>Publishes what REST has parsed.</summary>
    public override async Task<PublishResponse> Publish(PublishRequest request, ServerCallContext context)
    {
        var topic = state.Topic(request.Topic);
        PublishRules.Check(request);
        using var messages = RawMessages.Of(
            topic.Settings.Schema is { } schema ? SchemaConformance.Checked(state, schema, request.Messages) : request.Messages);
        var first = PublishService.Append(topic, messages, durability);
        await durability.WrittenAsync();
        return new PublishResponse { MessageIds = { Enumerable.Range(0, messages.Count).Select(i => (first + i).ToString(CultureInfo.InvariantCulture)) } };
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

    public override async Task<DetachSubscriptionResponse> DetachSubscription(DetachSubscriptionRequest request, ServerCallContext context)
    {
        state.DetachSubscription(request.Subscription);
        await durability.WrittenAsync();
        return new DetachSubscriptionResponse();
    }

    public override async Task<Empty> DeleteTopic(DeleteTopicRequest request, ServerCallContext context)
    {
        state.DeleteTopic(request.Topic);
        await durability.WrittenAsync();
        return new Empty();
    }
}
