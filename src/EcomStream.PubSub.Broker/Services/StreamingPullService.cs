using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Subscriber/StreamingPull, with responses written from the log (<see cref="RawPullResponse"/>).</summary>
[BindServiceMethod(typeof(SubscriberBinding), nameof(SubscriberBinding.BindStreamingPull))]
internal class StreamingPullService(BrokerState state, Durability durability, OpenStreams streams)
{
    private const string StreamDeadlineField = "stream_ack_deadline_seconds";
    private const int ResponseMessages = 1_000;

    public virtual async Task StreamingPull(
        IAsyncStreamReader<StreamingPullRequest> requests, IServerStreamWriter<RawPullResponse> responses, ServerCallContext context)
    {
        if (!await requests.MoveNext(context.CancellationToken))
        {
            throw ServiceCalls.Invalid("A stream begins with a request that names its subscription.");
        }

        var first = requests.Current;
        var subscription = state.Subscription(first.Subscription);
        ServiceCalls.CheckAckDeadline(StreamDeadlineField, first.StreamAckDeadlineSeconds);
        var stream = new Stream(subscription, new PullConsumer(Limit(first.MaxOutstandingMessages), Limit(first.MaxOutstandingBytes)))
        {
            AckDeadlineSeconds = first.StreamAckDeadlineSeconds,
        };

        // A client knows by the headers that its stream is open, long before the first message.
        await context.WriteResponseHeadersAsync([]);
        Settle(stream, first);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, streams.Stopping);
        streams.Opened();
        subscription.Attach(stream.Consumer);
        var reading = ReadRequests(stream, requests, ended);
        try
        {
            await WriteResponses(stream, responses, ended.Token, context.CancellationToken);
        }
        finally
        {
            subscription.Detach(stream.Consumer);
            await ended.CancelAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            streams.Ended();
        }

        // What was wrong with a request is the status of the stream.
        await reading;
        if (streams.Stopping.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "The broker is stopping."));
        }
    }

    private async Task ReadRequests(Stream stream, IAsyncStreamReader<StreamingPullRequest> requests, CancellationTokenSource ended)
    {
        try
        {
            while (await requests.MoveNext(ended.Token))
            {
                var request = requests.Current;
                if (request.Subscription.Length > 0)
                {
                    throw ServiceCalls.Invalid("Only the first request of a stream names the subscription.");
                }

                if (request.StreamAckDeadlineSeconds != 0)
                {
                    ServiceCalls.CheckAckDeadline(StreamDeadlineField, request.StreamAckDeadlineSeconds);
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

    private static async Task WriteResponses(
        Stream stream, IServerStreamWriter<RawPullResponse> responses, CancellationToken ended, CancellationToken gone)
    {
        var response = new RawPullResponse();
        try
        {
            while (!ended.IsCancellationRequested)
            {
                response.Clear();
                ServiceCalls.Take(stream.Subscription, stream.Consumer, stream.AckDeadlineSeconds, ResponseMessages, response);
                if (response.Count == 0)
                {
                    await stream.Consumer.Signal.WaitAsync(ended);
                }
                else
                {
                    // A client that has half-closed its side still gets what is leased to it.
                    await responses.WriteAsync(response, gone);
                }
            }
        }
        catch (Exception closed) when (closed is OperationCanceledException or IOException or InvalidOperationException && ended.IsCancellationRequested)
        {
            // The stream was closed, by the client or because the broker stops.
        }
    }

    private void Settle(Stream stream, StreamingPullRequest request)
    {
        if (request.AckIds.Count > 0)
        {
            ServiceCalls.Write(() => stream.Subscription.Acknowledge(request.AckIds));
            durability.Written();
        }

        if (request.ModifyDeadlineAckIds.Count == 0)
        {
            return;
        }

        if (request.ModifyDeadlineAckIds.Count != request.ModifyDeadlineSeconds.Count)
        {
            throw ServiceCalls.Invalid("modify_deadline_ack_ids and modify_deadline_seconds must have the same length.");
        }

        foreach (var seconds in request.ModifyDeadlineSeconds)
        {
            ServiceCalls.CheckAckDeadline("modify_deadline_seconds", seconds, least: 0);
        }

        stream.Subscription.ModifyAckDeadline(request.ModifyDeadlineAckIds, i => request.ModifyDeadlineSeconds[i]);
    }

    private static long Limit(long asked) => asked <= 0 ? long.MaxValue : asked;

    private sealed class Stream(BrokerSubscription subscription, PullConsumer consumer)
    {
        public BrokerSubscription Subscription { get; } = subscription;

        public PullConsumer Consumer { get; } = consumer;

        public int AckDeadlineSeconds { get; set; }
    }
}
