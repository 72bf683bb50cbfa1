using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Services;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Push;

/// <summary>
/// Pushes the messages of one subscription: leases as many as the window allows, sends each in a request of its own, and acks
/// what is answered with success (https://cloud.google.com/pubsub/docs/push). Messages of one ordering key are sent one
/// after the other. A request may take as long as the ack deadline of the subscription.
/// </summary>
internal sealed class PushPump(BrokerSubscription subscription, HttpClient http, PushTokens tokens, Durability durability, TimeProvider time, ILogger logger)
{
    private const long MaxBytes = 64 << 20;

    // The lease must not end before the request does.
    private const int LeaseMarginSeconds = 10;

    private static readonly TimeSpan _afterDamage = TimeSpan.FromSeconds(10);

    private readonly PushWindow _window = new();
    private readonly PullConsumer _consumer = new(PushWindow.Largest, MaxBytes);
    private int _underWay;
    private int _failing;

    /// <summary>Runs until the subscription is deleted, detached or pulled from, or the broker stops.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        var deliveries = new HashSet<Task>();
        subscription.Attach(_consumer);
        try
        {
            while (subscription.Settings is { Push: { } push, Detached: false } settings)
            {
                stop.ThrowIfCancellationRequested();
                if (_window.TakeBackoff() is { Ticks: > 0 } backoff && settings.Retry is null)
                {
                    await Task.Delay(backoff, time, stop);
                }

                deliveries.RemoveWhere(delivery => delivery.IsCompleted);
                var batch = await TakeAsync(settings, _window.Size - Volatile.Read(ref _underWay), stop);
                if (batch.Count == 0)
                {
                    await _consumer.Signal.WaitAsync(stop);
                    continue;
                }

                Interlocked.Add(ref _underWay, batch.Count);
                foreach (var group in batch.GroupBy(received => settings.EnableMessageOrdering && received.Message.OrderingKey.Length > 0 ? received.Message.OrderingKey : received.AckId))
                {
                    deliveries.Add(DeliverAsync(push, settings.AckDeadlineSeconds, [.. group], stop));
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // What is leased is delivered when the broker runs again.
        }
        catch (RpcException deleted) when (deleted.StatusCode is StatusCode.NotFound or StatusCode.FailedPrecondition)
        {
            // Deleted or detached meanwhile.
        }
        finally
        {
            subscription.Detach(_consumer);
            await Task.WhenAll(deliveries);
        }
    }

    private async Task<IReadOnlyList<ReceivedMessage>> TakeAsync(SubscriptionSettings settings, int free, CancellationToken stop)
    {
        if (free <= 0)
        {
            return [];
        }

        var response = new RawPullResponse();
        try
        {
            Pulling.Take(subscription, _consumer, settings.AckDeadlineSeconds + LeaseMarginSeconds, free, response);
        }
        catch (RpcException damaged) when (damaged.StatusCode == StatusCode.DataLoss)
        {
            logger.LogError("Messages of {Subscription} cannot be read: {Reason}", subscription.Name, damaged.Status.Detail);
            await Task.Delay(_afterDamage, time, stop);
            _consumer.Signal.Set();
        }

        // PullResponse and StreamingPullResponse have their messages in the same field.
        return PullResponse.Parser.ParseFrom(response.Bytes).ReceivedMessages;
    }

    // Messages of one ordering key, or a single one. After a failure the rest of the key is delivered again with it.
    private async Task DeliverAsync(PushSettings push, int timeoutSeconds, IReadOnlyList<ReceivedMessage> messages, CancellationToken stop)
    {
        try
        {
            foreach (var received in messages)
            {
                if (await SendAsync(push, timeoutSeconds, received, stop) is { } failure)
                {
                    _window.Failed();
                    LogFailure(received.Message, push.Endpoint, failure);
                    subscription.ModifyAckDeadline([received.AckId], _ => 0);
                    return;
                }

                durability.Check();
                ServiceCalls.Write(() => subscription.Acknowledge([received.AckId]));
                durability.Written();
                _window.Succeeded();
                if (Interlocked.Exchange(ref _failing, 0) == 1)
                {
                    logger.LogInformation("Pushes of {Subscription} to {Endpoint} succeed again", subscription.Name, push.Endpoint);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        catch (RpcException refused)
        {
            // It stays leased, and is pushed again after that.
            logger.LogWarning("A pushed message of {Subscription} could not be acked: {Reason}", subscription.Name, refused.Status.Detail);
        }
        finally
        {
            Interlocked.Add(ref _underWay, -messages.Count);
            _consumer.Signal.Set();
        }
    }

    // What was wrong; null for success.
    private async Task<string?> SendAsync(PushSettings push, int timeoutSeconds, ReceivedMessage received, CancellationToken stop)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(timeoutSeconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, stop);
        try
        {
            using var request = PushRequests.Create(subscription.Name, push, received);
            if (push.Oidc is { } oidc)
            {
                request.Headers.Authorization = new("Bearer", tokens.Token(oidc, push.Endpoint));
            }

            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);

            // 102 is read as 204 (ProcessingResponses).
            return (int)response.StatusCode is 200 or 201 or 202 or 204 ? null : $"it answered {(int)response.StatusCode}";
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return $"it did not answer within the ack deadline of {timeoutSeconds} s";
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // Whatever an endpoint or a message makes of a request, others are pushed all the same.
            return error.Message;
        }
    }

    private void LogFailure(PubsubMessage message, string endpoint, string reason)
    {
        if (Interlocked.Exchange(ref _failing, 1) == 0)
        {
            logger.LogWarning(
                "{Endpoint} did not take message {MessageId} of {Subscription}: {Reason}. It is pushed again, as are others until the endpoint takes one",
                endpoint, message.MessageId, subscription.Name, reason);
        }
    }
}
