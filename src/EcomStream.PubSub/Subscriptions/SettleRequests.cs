using EcomStream.Core;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Sends acks and nacks with one unary request per batch: its answer says that they arrived, and only then do their leases
/// end and their flow-control slots return. Its slots bound the requests under way.
/// </summary>
internal sealed class SettleRequests(SubscriptionCalls calls, LeaseKeeper leases, FlowControl flow, CancellationToken aborted) : IAsyncDisposable
{
    private readonly SemaphoreSlim _slots = new(calls.Settings.Subscriber.AckParallelism);
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _sending = [];

    /// <summary>See <see cref="ISubscription.AcksRefused"/>.</summary>
    public event Action<RefusedAcks>? AcksRefused;

    /// <summary>The requests that have been started and are not over.</summary>
    public Task[] UnderWay()
    {
        lock (_lock)
        {
            return [.. _sending];
        }
    }

    /// <summary>Completes when the requests under way are over, after they were aborted.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAll(UnderWay());

    /// <summary>Starts a request once there is a slot for it.</summary>
    public async Task StartAsync(ArraySegment<PubSubDelivery> deliveries, bool ack)
    {
        await _slots.WaitAsync(aborted);
        var sending = SendAsync(deliveries, ack);
        lock (_lock)
        {
            _sending.Add(sending);
        }

        _ = ForgetAsync(sending);
    }

    private async Task ForgetAsync(Task sending)
    {
        await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _sending.Remove(sending);
        }

        _slots.Release();
    }

    private async Task SendAsync(ArraySegment<PubSubDelivery> deliveries, bool ack)
    {
        leases.HasNacked |= !ack;
        var result = AckResult.Unknown;
        try
        {
            var refused = await SendUntilAnsweredAsync(deliveries, ack);
            (ack ? PubSubMetrics.Acked : PubSubMetrics.Nacked).Add(deliveries.Count - refused, calls.Tags);
            result = ack ? AckResult.Accepted : AckResult.Unknown;
        }
        catch (OperationCanceledException)
        {
            // Disposed: the broker delivers them again.
        }
        finally
        {
            leases.Remove(deliveries);
            flow.Release(deliveries);
            PubSubDelivery.Complete(deliveries, result);
        }
    }

    private void Refused(IReadOnlyList<PubSubDelivery> deliveries, bool ack, string reason, Exception? error = null)
    {
        PubSubMetrics.Refused.Add(deliveries.Count, calls.Tags);
        PubSubDelivery.Complete(deliveries, ack ? AckResult.Refused : AckResult.Unknown);
        leases.MayHoldOthers |= !ack;
        calls.Logger.LogError(
            error,
            "The {Kind} of {Count} messages of subscription {Subscription} was refused: {Reason} They will be delivered again: {Messages}",
            ack ? "ack" : "nack",
            deliveries.Count,
            calls.Path,
            reason,
            MessageNames.Of(deliveries));
        if (ack)
        {
            Report(new RefusedAcks(calls.Name, deliveries, reason));
        }
    }

    private void Report(RefusedAcks refused)
    {
        try
        {
            AcksRefused?.Invoke(refused);
        }
        catch (Exception error)
        {
            calls.Logger.LogError(error, "A handler of the refused acks of subscription {Subscription} failed", calls.Path);
        }
    }

    // How many were refused for good. It comes with a slot and leaves with one.
    private async Task<int> SendUntilAnsweredAsync(ArraySegment<PubSubDelivery> deliveries, bool ack)
    {
        var (left, refused) = (deliveries, 0);
        try
        {
            for (var failures = 1; ; failures++)
            {
                RpcException failure;
                try
                {
                    await (ack
                        ? calls.AcknowledgeAsync(left, aborted)
                        : calls.ModifyAckDeadlineAsync(left, TimeSpan.Zero, calls.Settings.Connection.RequestTimeout, aborted));
                    return refused;
                }
                catch (RpcException error) when (aborted.IsCancellationRequested)
                {
                    throw new OperationCanceledException("The request was cancelled.", error, aborted);
                }
                catch (RpcException error) when (AckFailures.Of(error, left) is { } parts)
                {
                    if (parts.Permanent.Length > 0)
                    {
                        refused += parts.Permanent.Length;
                        Refused(parts.Permanent, ack, "their leases had ended.");
                    }

                    left = parts.Temporary;
                    if (left.Count == 0)
                    {
                        return refused;
                    }

                    failure = new RpcException(new Status(StatusCode.Unavailable, $"{left.Count} of the ids failed for now"));
                }
                catch (RpcException error) when (PubSubErrors.IsRetryable(error))
                {
                    failure = error;
                }

                await BackOffAsync(failure, failures, left.Count);
            }
        }
        catch (RpcException error)
        {
            refused += left.Count;
            Refused(left, ack, PubSubErrors.Explain(error, "subscription", calls.Account));
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            // An unexpected error: what waits behind these goes on.
            refused += left.Count;
            Refused(left, ack, $"{error.Message.TrimEnd('.')}.", error);
        }

        return refused;
    }

    // Without its slot: what these ids wait for may be the ack of an earlier message of their ordering key, which needs one.
    private async Task BackOffAsync(RpcException failure, int failures, int count)
    {
        var delay = calls.Settings.Retry.After(failures);
        if (Retry.IsWorthAWarning(failures))
        {
            calls.Logger.LogWarning(
                "Settling {Count} messages of subscription {Subscription} on {Endpoint} failed with {Status} ({Detail}), try {Try}, again in {Delay}",
                count,
                calls.Path,
                calls.Settings.Endpoint,
                failure.StatusCode,
                failure.Status.Detail,
                failures,
                delay);
        }

        _slots.Release();
        try
        {
            await Task.Delay(delay, calls.Time, aborted);
        }
        finally
        {
            // Even when it is aborted, because whoever started the request releases the slot.
            await _slots.WaitAsync(CancellationToken.None);
        }
    }
}
