using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.State;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>
/// google.pubsub.v1.Subscriber, but for StreamingPull. Unsupported features answer UNIMPLEMENTED, never a silent
/// success.
/// </summary>
[BindServiceMethod(typeof(SubscriberBinding), nameof(SubscriberBinding.BindService))]
internal sealed partial class SubscriberService(BrokerState state, Durability durability, OpenStreams streams) : Subscriber.SubscriberBase
{
    private const int MaxPullMessages = 1_000;

    // https://cloud.google.com/pubsub/quotas#resource_limits
    private const int MaxSettlingBytes = 512 << 10;
    private static readonly TimeSpan PullWait = TimeSpan.FromSeconds(20);

    public override async Task<Subscription> CreateSubscription(Subscription request, ServerCallContext context)
    {
        // "If the name is not provided in the request, the server will assign a random name".
        var name = request.Name.Length > 0 ? request.Name : ResourceNames.Random(request.Topic, "subscription");
        ServiceCalls.CheckName("subscription", name);
        var subscription = state.CreateSubscription(name, request.Topic, SubscriptionFields.Settings(request, state.Keeping(name)));
        await durability.WrittenAsync();
        return SubscriptionFields.ToProto(subscription);
    }

    public override Task<Subscription> GetSubscription(GetSubscriptionRequest request, ServerCallContext context) =>
        Task.FromResult(SubscriptionFields.ToProto(state.Subscription(request.Subscription)));

    public override Task<ListSubscriptionsResponse> ListSubscriptions(ListSubscriptionsRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Project);
        var (page, next) = Paging.Page(
            state.Subscriptions.Where(s => s.Name.StartsWith(request.Project + "/", StringComparison.Ordinal)),
            s => s.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListSubscriptionsResponse { Subscriptions = { page.Select(SubscriptionFields.ToProto) }, NextPageToken = next });
    }

    public override async Task<Subscription> UpdateSubscription(UpdateSubscriptionRequest request, ServerCallContext context)
    {
        var name = request.Subscription?.Name ?? "";
        var subscription = state.UpdateSubscription(name, current => SubscriptionFields.Updated(name, current, request, state.Keeping(name)));
        await durability.WrittenAsync();
        return SubscriptionFields.ToProto(subscription);
    }

    /// <summary>"An empty pushConfig indicates that the Pub/Sub system should stop pushing messages".</summary>
    public override async Task<Empty> ModifyPushConfig(ModifyPushConfigRequest request, ServerCallContext context)
    {
        state.UpdateSubscription(request.Subscription, settings => SubscriptionFields.WithPush(settings, request.PushConfig));
        await durability.WrittenAsync();
        return new Empty();
    }

    public override async Task<Empty> DeleteSubscription(DeleteSubscriptionRequest request, ServerCallContext context)
    {
        state.DeleteSubscription(request.Subscription);
        await durability.WrittenAsync();
        return new Empty();
    }

    public override async Task<Empty> Acknowledge(AcknowledgeRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        CheckAckIds(request.AckIds, request.CalculateSize());
        durability.Check();
        var outcome = AckOutcome.For(subscription.Settings);
        subscription.Acknowledge(request.AckIds, outcome);
        await durability.WrittenAsync();
        ExactlyOnceErrors.ThrowIfAny(outcome);
        return new Empty();
    }

    public override Task<Empty> ModifyAckDeadline(ModifyAckDeadlineRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        CheckAckIds(request.AckIds, request.CalculateSize());
        FieldRules.CheckAckDeadline(SubscriptionFields.AckDeadline, request.AckDeadlineSeconds, least: 0);
        var outcome = AckOutcome.For(subscription.Settings);
        subscription.ModifyAckDeadline(request.AckIds, _ => request.AckDeadlineSeconds, outcome);
        ExactlyOnceErrors.ThrowIfAny(outcome);
        return Task.FromResult(new Empty());
    }

    public override async Task<PullResponse> Pull(PullRequest request, ServerCallContext context)
    {
        var subscription = state.Pullable(request.Subscription);
        if (request.MaxMessages <= 0)
        {
            throw ServiceCalls.Invalid($"max_messages is {request.MaxMessages}; it must be at least 1.");
        }

        var consumer = new PullConsumer(long.MaxValue, long.MaxValue);
        var response = new RawPullResponse();
        using var patience = new CancellationTokenSource(PullWait, state.Time);
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, streams.Stopping, patience.Token);
        subscription.Attach(consumer);
        try
        {
            while (response.Count == 0)
            {
                Pulling.Take(subscription, consumer, subscription.Settings.AckDeadlineSeconds, Math.Min(request.MaxMessages, MaxPullMessages), response);
#pragma warning disable CS0612 // deprecated in the service too, and still sent by clients
                if (response.Count == 0 && request.ReturnImmediately)
#pragma warning restore CS0612
                {
                    break;
                }

                if (response.Count == 0)
                {
                    await consumer.Signal.WaitAsync(wait.Token);
                }
            }
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            // An empty answer after a while, as in the service.
        }
        finally
        {
            subscription.Detach(consumer);
        }

        // PullResponse and StreamingPullResponse have their messages in the same field.
        return PullResponse.Parser.ParseFrom(response.Bytes);
    }

    private static void CheckAckIds(Google.Protobuf.Collections.RepeatedField<string> ids, int bytes)
    {
        if (ids.Count == 0)
        {
            throw ServiceCalls.Invalid("No ack ids.");
        }

        if (bytes > MaxSettlingBytes)
        {
            throw ServiceCalls.Invalid($"A request with ack ids has at most {MaxSettlingBytes} bytes, this one {bytes}.");
        }
    }
}
