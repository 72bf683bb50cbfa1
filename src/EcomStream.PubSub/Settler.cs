using System.Threading.Channels;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Sends settlements in batches: acks by Acknowledge, nacks by ModifyAckDeadline with 0. A flow-control slot returns
/// when the broker has taken its settlement.
/// </summary>
internal sealed class Settler : IAsyncDisposable
{
    private static readonly TimeSpan FlushPoll = TimeSpan.FromMilliseconds(5);

    private readonly PubSubConnection _connection;
    private readonly string _subscription;
    private readonly FlowControl _flow;
    private readonly ILogger _logger;
    private readonly Channel<PubSubDelivery> _queue = Channel.CreateUnbounded<PubSubDelivery>(
        new UnboundedChannelOptions { SingleReader = true });

    private readonly SemaphoreSlim _parallel;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private long _asked;
    private long _done;

    public Settler(PubSubConnection connection, string subscription, FlowControl flow, ILogger logger)
    {
        _connection = connection;
        _subscription = subscription;
        _flow = flow;
        _logger = logger;
        _parallel = new SemaphoreSlim(connection.Settings.AckParallelism, connection.Settings.AckParallelism);
        _loop = Task.Run(Loop);
    }

    public void Add(PubSubDelivery delivery)
    {
        Interlocked.Increment(ref _asked);
        _queue.Writer.TryWrite(delivery);
    }

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        var asked = Volatile.Read(ref _asked);
        while (Volatile.Read(ref _done) < asked)
        {
            await Task.Delay(FlushPoll, _connection.Time, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task Loop()
    {
        var settings = _connection.Settings;
        var acks = new List<PubSubDelivery>();
        var nacks = new List<PubSubDelivery>();
        try
        {
            while (await _queue.Reader.WaitToReadAsync(_stop.Token))
            {
                // The first of a batch waits for others; under load the queue is never empty and nobody waits.
                if (_queue.Reader.Count < settings.AckBatchSize && settings.AckLinger > TimeSpan.Zero)
                {
                    await Task.Delay(settings.AckLinger, _connection.Time, _stop.Token);
                }

                while (acks.Count < settings.AckBatchSize && nacks.Count < settings.AckBatchSize && _queue.Reader.TryRead(out var delivery))
                {
                    (delivery.IsNack ? nacks : acks).Add(delivery);
                }

                await Send(acks, nack: false);
                await Send(nacks, nack: true);
                acks = [];
                nacks = [];
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed; what was not sent is delivered again.
        }
    }

    private async Task Send(List<PubSubDelivery> deliveries, bool nack)
    {
        if (deliveries.Count == 0)
        {
            return;
        }

        await _parallel.WaitAsync(_stop.Token);
        _ = SendAndRelease();

        async Task SendAndRelease()
        {
            try
            {
                await Retry.UntilDone(_connection, ct => Request(deliveries, nack, ct), Report, _stop.Token);
                Settled(deliveries);
            }
            catch (OperationCanceledException)
            {
                // Disposed while retrying.
            }
            catch (RpcException refused)
            {
                _logger.LogError(
                    "{Subscription}: {Count} settlements were refused with {Status} ({Detail}), the first for message {MessageId}; the messages will be delivered again",
                    _subscription, deliveries.Count, refused.StatusCode, refused.Status.Detail, deliveries[0].MessageId);
                Settled(deliveries);
            }
            finally
            {
                _parallel.Release();
            }
        }
    }

    private async Task<bool> Request(List<PubSubDelivery> deliveries, bool nack, CancellationToken cancellationToken)
    {
        if (nack)
        {
            var request = new ModifyAckDeadlineRequest { Subscription = _subscription, AckDeadlineSeconds = 0 };
            request.AckIds.AddRange(deliveries.Select(d => d.AckId));
            await _connection.Subscriber.ModifyAckDeadlineAsync(request, cancellationToken: cancellationToken);
        }
        else
        {
            var request = new AcknowledgeRequest { Subscription = _subscription };
            request.AckIds.Capacity = deliveries.Count;
            foreach (var delivery in deliveries)
            {
                request.AckIds.Add(delivery.AckId);
            }

            await _connection.Subscriber.AcknowledgeAsync(request, cancellationToken: cancellationToken);
        }

        PubSubMetrics.Settled(_subscription, deliveries.Count, nack);
        return true;
    }

    private void Settled(List<PubSubDelivery> deliveries)
    {
        long bytes = 0;
        foreach (var delivery in deliveries)
        {
            bytes += delivery.Bytes;
            delivery.Settled();
        }

        _flow.Remove(deliveries.Count, bytes);
        Interlocked.Add(ref _done, deliveries.Count);
    }

    private void Report(RpcException error, int failures, TimeSpan delay)
    {
        if (failures is 1 || failures % 10 == 0)
        {
            _logger.LogWarning(
                "{Subscription}: settlements failed with {Status} ({Detail}), failure {Failures} in a row; next try in {Delay}",
                _subscription, error.StatusCode, error.Status.Detail, failures, delay);
        }
    }
}
