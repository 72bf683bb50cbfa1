using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Subscriber. What is not implemented answers UNIMPLEMENTED, never a silent success.</summary>
[BindServiceMethod(typeof(SubscriberBinding), nameof(SubscriberBinding.BindService))]
internal sealed class SubscriberService(BrokerState state, Durability durability) : Subscriber.SubscriberBase
{
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
        if (seconds is < ServiceCalls.MinAckDeadlineSeconds or > ServiceCalls.MaxAckDeadlineSeconds)
        {
            throw ServiceCalls.Invalid($"ack_deadline_seconds is {seconds}; it must be {ServiceCalls.MinAckDeadlineSeconds} to {ServiceCalls.MaxAckDeadlineSeconds}.");
        }

        RefuseWhatIsMissing(request);
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

        ServiceCalls.Write(() => subscription.Acknowledge(request.AckIds));
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

        if (request.AckDeadlineSeconds is < 0 or > ServiceCalls.MaxAckDeadlineSeconds)
        {
            throw ServiceCalls.Invalid($"ack_deadline_seconds is {request.AckDeadlineSeconds}; it must be 0 to {ServiceCalls.MaxAckDeadlineSeconds}.");
        }

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
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
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

    private static void RefuseWhatIsMissing(Subscription request)
    {
        var missing = new List<string>();
        void Refuse(bool asked, string field)
        {
            if (asked)
            {
                missing.Add(field);
            }
        }

        Refuse(request.EnableMessageOrdering, "enable_message_ordering");
        Refuse(request.EnableExactlyOnceDelivery, "enable_exactly_once_delivery");
        Refuse(request.Filter.Length > 0, "filter");
        Refuse(request.DeadLetterPolicy is not null, "dead_letter_policy");
        Refuse(request.RetryPolicy is not null, "retry_policy");
        Refuse(request.RetainAckedMessages, "retain_acked_messages");
        Refuse(request.PushConfig is { PushEndpoint.Length: > 0 }, "push_config");
        if (missing.Count > 0)
        {
            throw new RpcException(new Status(StatusCode.Unimplemented, $"The embedded broker does not support {string.Join(", ", missing)} yet."));
        }
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
