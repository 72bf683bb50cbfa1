using System.Buffers;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// A subscription read over StreamingPull streams: flow control over all of them, leases extended until a delivery is
/// settled, acks in batches, streams made again with backoff.
/// </summary>
public sealed class PubSubSubscription : ISubscription
{
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly PubSubConnection _connection;
    private readonly PubSubSettings _settings;
    private readonly string _fullName;
    private readonly ILogger _logger;
    private readonly FlowControl _flow;
    private readonly Settler _settler;
    private readonly LeaseKeeper _leases;
    private readonly Method<StreamingPullRequest, RawResponse> _streamingPull;
    private int _openStreams;
    private int _disposed;

    /// <summary>Makes a subscription; nothing is sent before it is enumerated.</summary>
    /// <param name="connection">The connection; it is not disposed with the subscription.</param>
    /// <param name="name">The subscription's name, short or full.</param>
    public PubSubSubscription(PubSubConnection connection, string name)
    {
        _connection = connection;
        _settings = connection.Settings;
        Name = name;
        _fullName = _settings.SubscriptionName(name);
        _logger = connection.Loggers.CreateLogger<PubSubSubscription>();
        _flow = new FlowControl(_settings.MaxOutstandingMessages, _settings.MaxOutstandingBytes);
        _settler = new Settler(connection, _fullName, _flow, _logger);
        _leases = new LeaseKeeper(connection, _fullName, _logger);
        _streamingPull = new Method<StreamingPullRequest, RawResponse>(
            MethodType.DuplexStreaming,
            "google.pubsub.v1.Subscriber",
            "StreamingPull",
            Marshallers.Create<StreamingPullRequest>(
                (request, context) =>
                {
                    context.SetPayloadLength(request.CalculateSize());
                    request.WriteTo(context.GetBufferWriter());
                    context.Complete();
                },
                _ => throw new NotSupportedException("A client does not read requests.")),
            Marshallers.Create<RawResponse>((_, _) => throw new NotSupportedException("A client does not write responses."), Deserialize));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public SubscriptionStatus Status
    {
        get
        {
            var (messages, bytes) = _flow.Outstanding;
            return new SubscriptionStatus(Volatile.Read(ref _openStreams) > 0, messages, bytes);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) == 1, this);
        var batches = Channel.CreateBounded<IReadOnlyList<Delivery>>(1);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var streams = Task.WhenAll(Enumerable.Range(0, _settings.Streams).Select(n => KeepStreaming(n, batches.Writer, ended)));
        var closing = streams.ContinueWith(
            done => batches.Writer.TryComplete(done.Exception?.InnerException), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            while (await batches.Reader.WaitToReadAsync(CancellationToken.None))
            {
                while (batches.Reader.TryRead(out var batch))
                {
                    yield return batch;
                }
            }
        }
        finally
        {
            await ended.CancelAsync();
            await closing;
            while (batches.Reader.TryRead(out var unread))
            {
                foreach (var delivery in unread)
                {
                    delivery.Nack();
                }
            }
        }
    }

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken) => _settler.FlushAsync(cancellationToken);

    /// <summary>Sends the acks that are asked for, gives back everything else, and stops extending leases.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
        {
            return;
        }

        _leases.NackOpen();
        using var patience = new CancellationTokenSource(CloseTimeout, _connection.Time);
        try
        {
            await _settler.FlushAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _logger.LogWarning(
                "{Subscription}: {Messages} settlements did not reach the broker within {Seconds} s; their messages will be delivered again",
                _fullName, _flow.Outstanding.Messages, CloseTimeout.TotalSeconds);
        }

        await _settler.DisposeAsync();
        await _leases.DisposeAsync();
    }

    internal void Settle(PubSubDelivery delivery) => _settler.Add(delivery);

    // One stream after another, until it is stopped or the subscription cannot be read at all.
    private async Task KeepStreaming(int number, ChannelWriter<IReadOnlyList<Delivery>> batches, CancellationTokenSource ended)
    {
        await Task.Yield();
        var failures = 0;
        while (!ended.IsCancellationRequested)
        {
            try
            {
                await Stream(batches, () => failures = 0, ended.Token);
                failures++;
            }
            catch (Exception) when (ended.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error) when (error is RpcException or IOException or InvalidDataException)
            {
                var status = (error as RpcException)?.StatusCode ?? StatusCode.Unavailable;
                if (!Retry.IsRetryable(status) && status != StatusCode.OK)
                {
                    await ended.CancelAsync();
                    throw Failed((RpcException)error);
                }

                failures++;
                var detail = (error as RpcException)?.Status.Detail ?? error.Message;
                if (failures is 1 or 2 || failures % 10 == 0)
                {
                    _logger.LogWarning(
                        "{Subscription}: stream {Number} ended with {Status} ({Detail}), failure {Failures} in a row; it is opened again",
                        _fullName, number, status, detail, failures);
                }
            }

            try
            {
                await Task.Delay(Retry.Backoff(_settings, failures), _connection.Time, ended.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task Stream(ChannelWriter<IReadOnlyList<Delivery>> batches, Action received, CancellationToken ended)
    {
        using var call = _connection.Invoker.AsyncDuplexStreamingCall(_streamingPull, null, new CallOptions(cancellationToken: ended));
        await call.RequestStream.WriteAsync(
            new StreamingPullRequest
            {
                Subscription = _fullName,
                StreamAckDeadlineSeconds = (int)_settings.AckDeadline.TotalSeconds,
                MaxOutstandingMessages = Math.Max(1, _settings.MaxOutstandingMessages / _settings.Streams),
                MaxOutstandingBytes = Math.Max(1, _settings.MaxOutstandingBytes / _settings.Streams),
                ClientId = ClientId,
            },
            ended);
        Interlocked.Increment(ref _openStreams);
        try
        {
            // The server's flow control keeps to the same limits; ours is for servers that do not.
            await _flow.WaitForRoomAsync(ended);
            while (await call.ResponseStream.MoveNext(ended))
            {
                var response = call.ResponseStream.Current;
                if (response.Deliveries.Count == 0)
                {
                    continue;
                }

                received();
                _flow.Add(response.Deliveries.Count, response.Bytes);
                _leases.Add(response.Batch);
                PubSubMetrics.Received(Name, response.Deliveries.Count);
                await batches.WriteAsync(response.Deliveries, ended);
                await _flow.WaitForRoomAsync(ended);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _openStreams);
        }
    }

    private string ClientId { get; } = Guid.NewGuid().ToString();

    private RawResponse Deserialize(DeserializationContext context)
    {
        var batch = new LeasedBatch(this, _connection.Time.GetTimestamp());
        var deliveries = PullResponseReader.Read(context.PayloadAsReadOnlySequence(), batch, out var bytes);
        batch.Fill(deliveries);
        return new RawResponse(batch, deliveries, bytes);
    }

    private SubscriptionFailedException Failed(RpcException error)
    {
        var hint = error.StatusCode switch
        {
            StatusCode.NotFound => "Make it, or correct its name and ecomstream.pubsub.project-id.",
            StatusCode.PermissionDenied => "The account needs the role roles/pubsub.subscriber on it.",
            StatusCode.Unauthenticated => "The credentials are missing or not valid.",
            _ => "Check ecomstream.pubsub in the configuration.",
        };
        return new SubscriptionFailedException(
            $"The subscription {_fullName} on {_settings.EmulatorHost} cannot be read: {error.StatusCode}, {error.Status.Detail}. {hint}", error);
    }

    private sealed record RawResponse(LeasedBatch Batch, IReadOnlyList<PubSubDelivery> Deliveries, long Bytes);
}
