using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Subscriber. What is not implemented answers UNIMPLEMENTED, never a silent success.</summary>
[BindServiceMethod(typeof(SubscriberBinding), nameof(SubscriberBinding.BindService))]
internal sealed class SubscriberService(BrokerState state, Durability durability, OpenStreams streams) : Subscriber.SubscriberBase
{
    private const string AckDeadlineField = "ack_deadline_seconds";
    private const int DefaultAckDeadlineSeconds = 10;
    private const int MaxPullMessages = 1_000;
    private static readonly TimeSpan PullWait = TimeSpan.FromSeconds(20);

    public override Task<Subscription> CreateSubscription(Subscription request, ServerCallContext context)
    {
        if (!ResourceNames.IsSubscription(request.Name))
        {
            throw ServiceCalls.Invalid($"Invalid subscription name '{request.Name}': it must be projects/PROJECT/subscriptions/SUBSCRIPTION.");
        }

        var seconds = request.AckDeadlineSeconds == 0 ? DefaultAckDeadlineSeconds : request.AckDeadlineSeconds;
        ServiceCalls.CheckAckDeadline(AckDeadlineField, seconds);
        ServiceCalls.RefuseFields(
            ("push_config", request.PushConfig is { PushEndpoint.Length: > 0 }),
            ("retain_acked_messages", request.RetainAckedMessages),
            ("message_retention_duration", request.MessageRetentionDuration is not null),
            ("labels", request.Labels.Count > 0),
            ("enable_message_ordering", request.EnableMessageOrdering),

            // A policy without a ttl is "never expires", which is what the broker does.
            ("expiration_policy", request.ExpirationPolicy is { Ttl: not null }),
            ("filter", request.Filter.Length > 0),
            ("dead_letter_policy", request.DeadLetterPolicy is not null),
            ("retry_policy", request.RetryPolicy is not null),
            ("enable_exactly_once_delivery", request.EnableExactlyOnceDelivery));
        return Task.FromResult(ToProto(state.CreateSubscription(request.Name, request.Topic, seconds)));
    }

    public override Task<Subscription> GetSubscription(GetSubscriptionRequest request, ServerCallContext context) =>
        Task.FromResult(ToProto(state.Subscription(request.Subscription)));

    public override Task<ListSubscriptionsResponse> ListSubscriptions(ListSubscriptionsRequest request, ServerCallContext context)
    {
        var (page, next) = Paging.Page(
            state.Subscriptions.Where(s => s.Name.StartsWith(request.Project + "/", StringComparison.Ordinal)),
            s => s.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListSubscriptionsResponse { Subscriptions = { page.Select(ToProto) }, NextPageToken = next });
    }

    public override Task<Subscription> UpdateSubscription(UpdateSubscriptionRequest request, ServerCallContext context)
    {
        if (request.Subscription is null || request.UpdateMask is not { Paths.Count: > 0 } mask)
        {
            throw ServiceCalls.Invalid("An update names a subscription, and the fields to update in update_mask.");
        }

        ServiceCalls.RefuseFields([.. mask.Paths.Select(path => ($"updating {path}", path != AckDeadlineField))]);
        var seconds = request.Subscription.AckDeadlineSeconds;
        ServiceCalls.CheckAckDeadline(AckDeadlineField, seconds);
        return Task.FromResult(ToProto(state.UpdateAckDeadline(request.Subscription.Name, seconds)));
    }

    public override Task<Empty> DeleteSubscription(DeleteSubscriptionRequest request, ServerCallContext context)
    {
        state.DeleteSubscription(request.Subscription);
        return Task.FromResult(new Empty());
    }

    public override async Task<Empty> Acknowledge(AcknowledgeRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        if (request.AckIds.Count == 0)
        {
            throw ServiceCalls.Invalid("No ack ids.");
        }

        subscription.Acknowledge(request.AckIds);
        await durability.WrittenAsync();
        return new Empty();
    }

    public override Task<Empty> ModifyAckDeadline(ModifyAckDeadlineRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        if (request.AckIds.Count == 0)
        {
            throw ServiceCalls.Invalid("No ack ids.");
        }

        ServiceCalls.CheckAckDeadline(AckDeadlineField, request.AckDeadlineSeconds, least: 0);
        subscription.ModifyAckDeadline(request.AckIds, _ => request.AckDeadlineSeconds);
        return Task.FromResult(new Empty());
    }

    public override async Task<PullResponse> Pull(PullRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        if (request.MaxMessages <= 0)
        {
            throw ServiceCalls.Invalid($"max_messages is {request.MaxMessages}; it must be at least 1.");
        }

        var consumer = new PullConsumer(long.MaxValue, long.MaxValue);
        var response = new RawPullResponse();
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, streams.Stopping);
        wait.CancelAfter(PullWait);
        subscription.Attach(consumer);
        try
        {
            while (response.Count == 0)
            {
                ServiceCalls.Take(subscription, consumer, subscription.AckDeadlineSeconds, Math.Min(request.MaxMessages, MaxPullMessages), response);
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

    private static Subscription ToProto(BrokerSubscription subscription) => new()
    {
        Name = subscription.Name,
        Topic = subscription.Topic.IsDeleted ? BrokerState.DeletedTopic : subscription.Topic.Name,
        AckDeadlineSeconds = subscription.AckDeadlineSeconds,
        State = Subscription.Types.State.Active,
        PushConfig = new PushConfig(),
    };
}
