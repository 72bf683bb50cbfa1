using System.Collections.Concurrent;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.Subscriber/StreamingPull, with responses written from the log (<see cref="RawPullResponse"/>).</summary>
[BindServiceMethod(typeof(SubscriberBinding), nameof(SubscriberBinding.BindStreamingPull))]
internal class StreamingPullService(BrokerState state, Durability durability, OpenStreams streams)
{
    private const string StreamDeadlineField = "stream_ack_deadline_seconds";
    private const int ResponseMessages = 1_000;

    // Clients that ask for this version ping with empty requests and give up a stream that does not answer.
    private const int KeepAliveProtocol = 1;

    public virtual async Task StreamingPull(
        IAsyncStreamReader<StreamingPullRequest> requests, IServerStreamWriter<RawPullResponse> responses, ServerCallContext context)
    {
        if (!await requests.MoveNext(context.CancellationToken))
        {
            throw ServiceCalls.Invalid("The first request of a stream must name its subscription.");
        }

        var first = requests.Current;
        var subscription = state.Pullable(first.Subscription);
        FieldRules.CheckAckDeadline(StreamDeadlineField, first.StreamAckDeadlineSeconds);
        var consumer = new PullConsumer(Limit(first.MaxOutstandingMessages), Limit(first.MaxOutstandingBytes)) { ClientId = first.ClientId };
        using var stream = new PullSession(subscription, consumer)
        {
            AckDeadlineSeconds = first.StreamAckDeadlineSeconds,
            AnswersKeepAlives = first.ProtocolVersion >= KeepAliveProtocol,
        };

        // A client knows by the headers that its stream is open, long before the first message.
        await context.WriteResponseHeadersAsync([]);
        await SettleAsync(stream, first, context.CancellationToken);
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

    private async Task ReadRequests(PullSession stream, IAsyncStreamReader<StreamingPullRequest> requests, CancellationTokenSource ended)
    {
        try
        {
            while (await requests.MoveNext(ended.Token))
            {
                var request = requests.Current;
                stream.Consumer.CountRequest();
                CheckLaterRequest(request);
                if (request.StreamAckDeadlineSeconds != 0)
                {
                    FieldRules.CheckAckDeadline(StreamDeadlineField, request.StreamAckDeadlineSeconds);
                    stream.AckDeadlineSeconds = request.StreamAckDeadlineSeconds;
                }

                await SettleAsync(stream, request, ended.Token);
                if (stream.AnswersKeepAlives && request.CalculateSize() == 0)
                {
                    stream.AnswerKeepAlive();
                }
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

    // "This property can only be set on the initial StreamingPullRequest": the reference of StreamingPullRequest.
    private static void CheckLaterRequest(StreamingPullRequest request)
    {
        if (request.Subscription.Length > 0 || request.MaxOutstandingMessages != 0 || request.MaxOutstandingBytes != 0 || request.ProtocolVersion != 0)
        {
            throw ServiceCalls.Invalid(
                "Only the first request of a stream sets subscription, max_outstanding_messages, max_outstanding_bytes and protocol_version.");
        }
    }

    private static async Task WriteResponses(
        PullSession stream, IServerStreamWriter<RawPullResponse> responses, CancellationToken ended, CancellationToken gone)
    {
        var response = new RawPullResponse();
        try
        {
            while (!ended.IsCancellationRequested)
            {
                response.Clear();
                Pulling.Take(stream.Subscription, stream.Consumer, stream.AckDeadlineSeconds, ResponseMessages, response);
                var told = stream.TryTakeAnswers(response);
                if (response.Count > 0 || told)
                {
                    response.Add(Properties(stream.Subscription.Settings));
                }

                if (response.Count == 0 && !told)
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

    private async ValueTask SettleAsync(PullSession stream, StreamingPullRequest request, CancellationToken cancellationToken)
    {
        if (request.ModifyDeadlineAckIds.Count != request.ModifyDeadlineSeconds.Count)
        {
            throw ServiceCalls.Invalid("modify_deadline_ack_ids and modify_deadline_seconds must have the same length.");
        }

        foreach (var seconds in request.ModifyDeadlineSeconds)
        {
            FieldRules.CheckAckDeadline("modify_deadline_seconds", seconds, least: 0);
        }

        if (request.AckIds.Count > 0)
        {
            durability.Check();
            var outcome = AckOutcome.For(stream.Subscription.Settings);
            ServiceCalls.Write(() => stream.Subscription.Acknowledge(request.AckIds, outcome));
            if (outcome is null)
            {
                durability.Written();
            }
            else
            {
                // What is confirmed is as durable as what an Acknowledge call answers.
                await durability.WrittenAsync();
                await stream.SendAsync(new StreamingPullResponse
                {
                    AcknowledgeConfirmation = new()
                    {
                        AckIds = { outcome.Done },
                        InvalidAckIds = { outcome.Invalid },
                        UnorderedAckIds = { outcome.Unordered },
                    },
                }, cancellationToken);
            }
        }

        if (request.ModifyDeadlineAckIds.Count > 0)
        {
            var outcome = AckOutcome.For(stream.Subscription.Settings);
            stream.Subscription.ModifyAckDeadline(request.ModifyDeadlineAckIds, i => request.ModifyDeadlineSeconds[i], outcome);
            if (outcome is not null)
            {
                await stream.SendAsync(new StreamingPullResponse
                {
                    ModifyAckDeadlineConfirmation = new() { AckIds = { outcome.Done }, InvalidAckIds = { outcome.Invalid } },
                }, cancellationToken);
            }
        }
    }

    private static StreamingPullResponse Properties(SubscriptionSettings settings) => new()
    {
        SubscriptionProperties = new()
        {
            ExactlyOnceDeliveryEnabled = settings.EnableExactlyOnceDelivery,
            MessageOrderingEnabled = settings.EnableMessageOrdering,
        },
    };

    private static long Limit(long asked) => asked <= 0 ? long.MaxValue : asked;

    private sealed class PullSession(BrokerSubscription subscription, PullConsumer consumer) : IDisposable
    {
        // A client that does not read its answers is not read from either.
        private const int MaxAnswers = 16;

        private readonly ConcurrentQueue<StreamingPullResponse> _answers = new();
        private readonly SemaphoreSlim _room = new(MaxAnswers);

        public BrokerSubscription Subscription { get; } = subscription;

        public PullConsumer Consumer { get; } = consumer;

        public int AckDeadlineSeconds { get; set; }

        /// <summary>Whether an empty request is answered, so that the client knows that its stream lives.</summary>
        public bool AnswersKeepAlives { get; init; }

        public async ValueTask SendAsync(StreamingPullResponse answer, CancellationToken cancellationToken)
        {
            await _room.WaitAsync(cancellationToken);
            Enqueue(answer);
        }

        /// <summary>One answer is enough, however many pings a client has sent that does not read.</summary>
        public void AnswerKeepAlive()
        {
            if (_answers.IsEmpty && _room.Wait(0, CancellationToken.None))
            {
                Enqueue(new StreamingPullResponse());
            }
        }

        /// <summary>Adds what was not sent yet to a response.</summary>
        /// <returns>Whether there was anything, be it empty.</returns>
        public bool TryTakeAnswers(RawPullResponse response)
        {
            var any = false;
            while (_answers.TryDequeue(out var answer))
            {
                _room.Release();
                response.Add(answer);
                any = true;
            }

            return any;
        }

        public void Dispose() => _room.Dispose();

        private void Enqueue(StreamingPullResponse answer)
        {
            _answers.Enqueue(answer);
            Consumer.Signal.Set();
        }
    }
}
