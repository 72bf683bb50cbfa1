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
/// </summary>
/// <param name="calls">The subscription.</param>
/// <param name="ledger">Where received messages are entered.</param>
internal sealed class StreamObserver(SubscriptionCalls calls, OutstandingLedger ledger) : Interceptor
{
    private readonly Lock _lock = new();
    private readonly HashSet<ObservedStream> _open = [];
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

    /// <summary>The owner of the entries of messages that are received from now on.</summary>
    public object Owner { get; set; } = new();

    /// <summary>The entry of a message that the client hands to the callback; it is made where the stream did not make it.</summary>
    public OutstandingEntry EntryOf(PubsubMessage message)
    {
        if (_entries.TryGetValue(message, out var entry))
        {
            // Of a subscription with exactly-once delivery it is entered now, when the service has confirmed the lease.
            ledger.Add(entry);
            return entry;
        }

        throw new InvalidOperationException($"Message {message.MessageId} of {calls.Path} did not come from an observed stream.");
    }

    public override AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
        ClientInterceptorContext<TRequest, TResponse> context, AsyncDuplexStreamingCallContinuation<TRequest, TResponse> continuation)
    {
        var call = continuation(context);
        if (call is not AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> pull)
        {
            return call;
        }

        var stream = new ObservedStream(this, pull);
        var observed = new AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>(
            stream, stream, pull.ResponseHeadersAsync, pull.GetStatus, pull.GetTrailers, stream.Dispose);
        return (AsyncDuplexStreamingCall<TRequest, TResponse>)(object)observed;
    }

    private void Opened(ObservedStream stream)
    {
        lock (_lock)
        {
            _open.Add(stream);
            _openings++;
        }

        PubSubMetrics.StreamsOpened.Add(1, calls.Tags);
    }

    private void Closed(ObservedStream stream)
    {
        lock (_lock)
        {
            _open.Remove(stream);
        }
    }

    private void Received(StreamingPullResponse response)
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

        PubSubMetrics.Consumed.Add(response.ReceivedMessages.Count, calls.Tags);
        if (redelivered > 0)
        {
            PubSubMetrics.Redelivered.Add(redelivered, calls.Tags);
        }
    }

    // The client asks for the whole bound on every stream.
    private void Share(StreamingPullRequest request)
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

    private sealed class ObservedStream(StreamObserver observer, AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> call)
        : IClientStreamWriter<StreamingPullRequest>, IAsyncStreamReader<StreamingPullResponse>
    {
        private StreamingPullResponse? _taken;
        private int _isWaiting;
        private bool _isStarted;

        public bool IsWaiting => Volatile.Read(ref _isWaiting) != 0;

        public WriteOptions? WriteOptions
        {
            get => call.RequestStream.WriteOptions;
            set => call.RequestStream.WriteOptions = value;
        }

        // The client reads it when it takes the response; a response that it leaves, when it restarts the stream, is lost
        // with the stream.
        public StreamingPullResponse Current
        {
            get
            {
                var current = call.ResponseStream.Current;
                if (!ReferenceEquals(_taken, current))
                {
                    _taken = current;
                    observer.Received(current);
                }

                return current;
            }
        }

        public async Task WriteAsync(StreamingPullRequest message)
        {
            var isInitial = !_isStarted;
            if (isInitial)
            {
                _isStarted = true;
                observer.Share(message);
            }

            await call.RequestStream.WriteAsync(message).ConfigureAwait(false);
            if (isInitial)
            {
                observer.Opened(this);
            }
        }

        public Task CompleteAsync() => call.RequestStream.CompleteAsync();

        public async Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            var isOpen = false;
            Volatile.Write(ref _isWaiting, 1);
            try
            {
                return isOpen = await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                Volatile.Write(ref _isWaiting, 0);
                if (!isOpen)
                {
                    observer.Closed(this);
                }
            }
        }

        public void Dispose()
        {
            observer.Closed(this);
            call.Dispose();
        }
    }
}
