extern alias official;

using System.Runtime.CompilerServices;
using EcomStream.PubSub;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Core.Interceptors;
using official::Google.Cloud.PubSub.V1;

namespace EcomStream.GoogleCloud;

/// <summary>
/// Observes the client's streams: which are open, whether the client has taken everything that arrived, and which messages
/// it has received. The client reports a message only when its flow control calls the callback, and nothing of its streams.
/// It also observes the requests that settle messages: the client reports those that fail as successful.
/// </summary>
/// <param name="calls">The subscription.</param>
/// <param name="ledger">Where received messages are entered.</param>
internal sealed class StreamObserver(SubscriptionCalls calls, OutstandingLedger ledger) : Interceptor
{
    private readonly Lock _lock = new();
    private readonly HashSet<ObservedStream> _open = [];
    private readonly List<Task> _ending = [];
    private readonly ConditionalWeakTable<PubsubMessage, OutstandingEntry> _entries = [];
    private long _openings;
    private int _started;

    /// <summary>Streams that are open, and how many were opened.</summary>
    public (int Open, long Openings) Streams
    {
        get
        {
            lock (_lock)
            {
                return (_open.Count, _openings);
            }
        }
    }

    /// <summary>Whether the client waits for the next response on all open streams, so that it has taken what came before.</summary>
    public bool HasTakenEverything
    {
        get
        {
            lock (_lock)
            {
                return _open.All(stream => stream.IsWaiting);
            }
        }
    }

    /// <summary>Whether the broker may lease anything to the client after it has ended.</summary>
    public GiveBackRecord GivenBack { get; } = new();

    /// <summary>The owner of the entries of messages that are received from now on.</summary>
    public object Owner { get; set; } = new();

    /// <summary>The entry of a message that the client hands to the callback; it is made where the stream did not make it.</summary>
    public OutstandingEntry EntryOf(PubsubMessage message)
    {
        if (_entries.TryGetValue(message, out var entry))
        {
            // Of a subscription with exactly-once delivery it is entered now, when the service has confirmed the lease.
            if (ledger.Add(entry))
            {
                GivenBack.Confirmed();
            }

            return entry;
        }

        throw new InvalidOperationException($"Message {message.MessageId} of {calls.Path} did not come from an observed stream.");
    }

    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        TRequest request, ClientInterceptorContext<TRequest, TResponse> context, AsyncUnaryCallContinuation<TRequest, TResponse> continuation)
    {
        var (kind, ackIds) = request switch
        {
            AcknowledgeRequest ack => (LeaseRequest.Ack, ack.AckIds),
            ModifyAckDeadlineRequest modify => (modify.AckDeadlineSeconds == 0 ? LeaseRequest.Nack : LeaseRequest.Extension, modify.AckIds),
            _ => default,
        };
        if (ackIds is null)
        {
            return continuation(request, context);
        }

        GivenBack.Sending(kind, ackIds);
        var call = continuation(request, context);
        return new AsyncUnaryCall<TResponse>(
            GivenBack.ObserveAsync(kind, ackIds, call.ResponseAsync), call.ResponseHeadersAsync, call.GetStatus, call.GetTrailers, call.Dispose);
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        if (typeof(TResponse) != typeof(StreamingPullResponse))
        {
            return continuation(context);
        }

        // Cancelling ends the stream in an orderly way, which the call itself does not.
        var stopped = context.Options.CancellationToken;
        var call = continuation(new ClientInterceptorContext<TRequest, TResponse>(context.Method, context.Host, context.Options.WithCancellationToken(CancellationToken.None)));
        var pull = (AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>)(object)call;
        var stream = new ObservedStream(this, calls, pull, stopped);
        var observed = new AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>(
            stream, stream, pull.ResponseHeadersAsync, pull.GetStatus, pull.GetTrailers, stream.Dispose);
        return (AsyncDuplexStreamingCall<TRequest, TResponse>)(object)observed;
    }

    /// <summary>Completes when the streams that were stopped have ended.</summary>
    public Task WhenEndedAsync()
    {
        lock (_lock)
        {
            return Task.WhenAll(_ending);
        }
    }

    /// <summary>A stream is open.</summary>
    public void Opened(ObservedStream stream)
    {
        lock (_lock)
        {
            _open.Add(stream);
            _openings++;
        }

        PubSubMetrics.StreamsOpened.Add(1, calls.Tags);
    }

    /// <summary>A stream is no longer open.</summary>
    public void Closed(ObservedStream stream)
    {
        lock (_lock)
        {
            _open.Remove(stream);
        }
    }

    /// <summary>A stream that was stopped is ending.</summary>
    public void Ending(Task ended)
    {
        lock (_lock)
        {
            _ending.RemoveAll(task => task.IsCompleted);
            _ending.Add(ended);
        }
    }

    /// <summary>The client has taken a response.</summary>
    public void Received(StreamingPullResponse response)
    {
        if (response.ReceivedMessages.Count == 0)
        {
            return;
        }

        // With exactly-once delivery the client drops messages whose lease the service does not confirm.
        var isConfirmedLater = response.SubscriptionProperties?.ExactlyOnceDeliveryEnabled ?? false;
        var redelivered = 0;
        foreach (var received in response.ReceivedMessages)
        {
            var message = received.Message;
            var entry = new OutstandingEntry(received.AckId, message.MessageId, Micros(message.PublishTime), Size(message), Owner);
            _entries.AddOrUpdate(message, entry);
            if (!isConfirmedLater)
            {
                ledger.Add(entry);
            }

            redelivered += received.DeliveryAttempt > 1 ? 1 : 0;
        }

        GivenBack.ReceivedUnconfirmed(isConfirmedLater ? response.ReceivedMessages.Count : 0);

        PubSubMetrics.Consumed.Add(response.ReceivedMessages.Count, calls.Tags);
        if (redelivered > 0)
        {
            PubSubMetrics.Redelivered.Add(redelivered, calls.Tags);
        }
    }

    /// <summary>Gives a stream its share of the bounds: the client asks for the whole on every stream.</summary>
    public void Share(StreamingPullRequest request)
    {
        var subscriber = calls.Settings.Subscriber;
        var stream = (Interlocked.Increment(ref _started) - 1) % subscriber.Streams;
        request.MaxOutstandingMessages = StreamBounds.Share(subscriber.MaxOutstandingMessages, stream, subscriber.Streams);
        request.MaxOutstandingBytes = StreamBounds.Share(subscriber.MaxOutstandingBytes, stream, subscriber.Streams);
    }

    private static long Micros(Timestamp? time) => time is null ? 0 : (time.Seconds * 1_000_000) + (time.Nanos / 1_000);

    private static long Size(PubsubMessage message)
    {
        long bytes = message.Data.Length;
        foreach (var (key, value) in message.Attributes)
        {
            bytes += key.Length + value.Length;
        }

        return bytes;
    }
}
