using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Subscriber. What is not implemented answers UNIMPLEMENTED, never a silent success.</summary>
[BindServiceMethod(typeof(SubscriberBinding), nameof(SubscriberBinding.BindService))]
internal sealed class SubscriberService(BrokerState state, Durability durability) : Subscriber.SubscriberBase
{
    private const int DefaultAckDeadlineSeconds = 10;
    private const int MinAckDeadlineSeconds = 10;
    private const int MaxAckDeadlineSeconds = 600;
    private const int MaxPullMessages = 1_000;
    private const int ResponseMessages = 1_000;
    private const int ResponseBytes = 1 << 20;
    private static readonly TimeSpan PullWait = TimeSpan.FromSeconds(20);

    public override Task<Subscription> CreateSubscription(Subscription request, ServerCallContext context)
    {
        if (!ResourceNames.IsSubscription(request.Name))
        {
            throw Invalid($"Invalid subscription name '{request.Name}': it must be projects/PROJECT/subscriptions/SUBSCRIPTION.");
        }

        var seconds = request.AckDeadlineSeconds == 0 ? DefaultAckDeadlineSeconds : request.AckDeadlineSeconds;
        if (seconds is < MinAckDeadlineSeconds or > MaxAckDeadlineSeconds)
        {
            throw Invalid($"ack_deadline_seconds is {seconds}; it must be {MinAckDeadlineSeconds} to {MaxAckDeadlineSeconds}.");
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
            throw Invalid("No ack ids.");
        }

        Write(() => subscription.Acknowledge(request.AckIds));
        await durability.WrittenAsync();
        return new Empty();
    }

    public override Task<Empty> ModifyAckDeadline(ModifyAckDeadlineRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        if (request.AckIds.Count == 0)
        {
            throw Invalid("No ack ids.");
        }

        if (request.AckDeadlineSeconds is < 0 or > MaxAckDeadlineSeconds)
        {
            throw Invalid($"ack_deadline_seconds is {request.AckDeadlineSeconds}; it must be 0 to {MaxAckDeadlineSeconds}.");
        }

        subscription.ModifyAckDeadline(request.AckIds, _ => request.AckDeadlineSeconds);
        return Task.FromResult(new Empty());
    }

    public override async Task<PullResponse> Pull(PullRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        if (request.MaxMessages <= 0)
        {
            throw Invalid($"max_messages is {request.MaxMessages}; it must be at least 1.");
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
                Take(subscription, consumer, subscription.AckDeadlineSeconds, Math.Min(request.MaxMessages, MaxPullMessages), response);
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

    /// <summary>Bound by <see cref="SubscriberBinding"/>: the generated StreamingPull with raw responses.</summary>
    public async Task StreamingPull(
        IAsyncStreamReader<StreamingPullRequest> requests, IServerStreamWriter<RawPullResponse> responses, ServerCallContext context)
    {
        if (!await requests.MoveNext(context.CancellationToken))
        {
            throw Invalid("A stream begins with a request that names its subscription.");
        }

        var first = requests.Current;
        var subscription = state.Subscription(first.Subscription);
        if (first.StreamAckDeadlineSeconds is < MinAckDeadlineSeconds or > MaxAckDeadlineSeconds)
        {
            throw Invalid(
                $"stream_ack_deadline_seconds is {first.StreamAckDeadlineSeconds}; it must be {MinAckDeadlineSeconds} to {MaxAckDeadlineSeconds}.");
        }

        var stream = new Stream(subscription, new PullConsumer(Limit(first.MaxOutstandingMessages), Limit(first.MaxOutstandingBytes)))
        {
            AckDeadlineSeconds = first.StreamAckDeadlineSeconds,
        };

        // A client knows by the headers that its stream is open, long before the first message.
        await context.WriteResponseHeadersAsync([]);
        Settle(stream, first);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        subscription.Attach(stream.Consumer);
        try
        {
            var reading = ReadRequests(stream, requests, ended);
            await WriteResponses(stream, responses, ended.Token);
            await reading;
        }
        finally
        {
            subscription.Detach(stream.Consumer);
        }
    }

    private static async Task ReadRequests(Stream stream, IAsyncStreamReader<StreamingPullRequest> requests, CancellationTokenSource ended)
    {
        try
        {
            while (await requests.MoveNext(ended.Token))
            {
                var request = requests.Current;
                if (request.Subscription.Length > 0)
                {
                    throw Invalid("Only the first request of a stream names the subscription.");
                }

                if (request.StreamAckDeadlineSeconds > 0)
                {
                    stream.AckDeadlineSeconds = request.StreamAckDeadlineSeconds;
                }

                Settle(stream, request);
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            // The client is gone; what it had is delivered again when its deadlines have passed.
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    private static async Task WriteResponses(Stream stream, IServerStreamWriter<RawPullResponse> responses, CancellationToken ended)
    {
        var response = new RawPullResponse();
        try
        {
            while (!ended.IsCancellationRequested)
            {
                response.Clear();
                Take(stream.Subscription, stream.Consumer, stream.AckDeadlineSeconds, ResponseMessages, response);
                if (response.Count == 0)
                {
                    await stream.Consumer.Signal.WaitAsync(ended);
                }
                else
                {
                    await responses.WriteAsync(response, ended);
                }
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException or InvalidOperationException && ended.IsCancellationRequested)
        {
            // The stream was closed, by the client or because the broker stops.
        }
    }

    private static void Settle(Stream stream, StreamingPullRequest request)
    {
        if (request.AckIds.Count > 0)
        {
            Write(() => stream.Subscription.Acknowledge(request.AckIds));
        }

        if (request.ModifyDeadlineAckIds.Count == 0)
        {
            return;
        }

        if (request.ModifyDeadlineAckIds.Count != request.ModifyDeadlineSeconds.Count)
        {
            throw Invalid("modify_deadline_ack_ids and modify_deadline_seconds must have the same length.");
        }

        stream.Subscription.ModifyAckDeadline(request.ModifyDeadlineAckIds, i => request.ModifyDeadlineSeconds[i]);
    }

    private static void Take(BrokerSubscription subscription, PullConsumer consumer, int seconds, int messages, RawPullResponse response)
    {
        try
        {
            if (!subscription.Take(consumer, seconds, messages, ResponseBytes, response))
            {
                throw new RpcException(new Status(StatusCode.NotFound, $"The subscription {subscription.Name} was deleted."));
            }
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }

    private static void Write(Action write)
    {
        try
        {
            write();
        }
        catch (IOException full)
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"The broker cannot write: {full.Message}"));
        }
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

    private static long Limit(long asked) => asked <= 0 ? long.MaxValue : asked;

    private static Subscription ToProto(BrokerSubscription subscription) => new()
    {
        Name = subscription.Name,
        Topic = subscription.Topic.IsDeleted ? BrokerState.DeletedTopic : subscription.Topic.Name,
        AckDeadlineSeconds = subscription.AckDeadlineSeconds,
        State = Subscription.Types.State.Active,
        PushConfig = new PushConfig(),
    };

    private static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));

    private sealed class Stream(BrokerSubscription subscription, PullConsumer consumer)
    {
        public BrokerSubscription Subscription { get; } = subscription;

        public PullConsumer Consumer { get; } = consumer;

        public int AckDeadlineSeconds { get; set; }
    }
}
