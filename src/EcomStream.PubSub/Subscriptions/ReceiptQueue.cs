using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// With exactly-once delivery a message belongs to this client only when the service has confirmed the first extension of its
/// lease, as in the official clients (https://cloud.google.com/pubsub/docs/exactly-once-delivery): this extends what a stream
/// brings and hands it on, in order, when that is confirmed. What is refused is dropped: it will be delivered again.
/// </summary>
internal sealed class ReceiptQueue(SubscriptionCalls calls, LeaseKeeper leases, FlowControl flow, ChannelWriter<PubSubDelivery[]> output)
{
    private Task _last = Task.CompletedTask;

    /// <summary>Takes what a response brought. When it is stopped, what is not confirmed is given back.</summary>
    public void Enqueue(LeasedBatch batch, PubSubDelivery[] deliveries, CancellationToken stop) =>
        _last = HandOnAsync(ConfirmAsync(batch, deliveries, stop), _last);

    /// <summary>Completes when everything taken has been handed on, dropped or given back.</summary>
    public async Task WhenEmptyAsync() => await _last.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    // What fails unexpectedly, such as the log, does not hold up what comes behind it.
    private async Task HandOnAsync(Task<(PubSubDelivery[] Confirmed, PubSubDelivery[] Refused)> confirming, Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var (confirmed, refused) = await confirming;
        if (confirmed.Length > 0)
        {
            output.TryWrite(confirmed);
        }

        if (refused.Length > 0)
        {
            Drop(refused);
        }
    }

    private async Task<(PubSubDelivery[] Confirmed, PubSubDelivery[] Refused)> ConfirmAsync(LeasedBatch batch, PubSubDelivery[] deliveries, CancellationToken stop)
    {
        var (left, refused) = (deliveries, new HashSet<PubSubDelivery>());
        try
        {
            for (var failures = 1; ; failures++)
            {
                var receipt = await leases.ConfirmAsync(batch, left, stop);
                refused.UnionWith(receipt.Lost);
                left = receipt.Failed;
                if (left.Length == 0)
                {
                    break;
                }

                // When the lease that they came with has ended, they are someone else's.
                var isOver = calls.Time.GetElapsedTime(batch.ReceivedAt) >= calls.Settings.Subscriber.AckDeadline;
                if (isOver || (receipt.Error is { } error && !PubSubErrors.IsRetryable(error)))
                {
                    GiveBack(left, receipt.Error?.Status.Detail ?? "the server could not confirm them within ack-deadline");
                    break;
                }

                await Task.Delay(calls.Settings.Retry.After(failures), calls.Time, stop);
            }
        }
        catch (OperationCanceledException)
        {
            flow.GiveBack(Without(refused, deliveries));
            left = deliveries;
        }
        catch (Exception unexpected)
        {
            GiveBack(left, unexpected.Message);
        }

        var confirmed = left.Length + refused.Count == 0 ? deliveries : Without([.. refused, .. left], deliveries);
        return (confirmed, [.. refused]);
    }

    private static PubSubDelivery[] Without(HashSet<PubSubDelivery> some, PubSubDelivery[] deliveries) =>
        Array.FindAll(deliveries, delivery => !some.Contains(delivery));

    private void Drop(PubSubDelivery[] refused)
    {
        leases.Drop(refused);
        PubSubMetrics.ReceiptsRefused.Add(refused.Length, calls.Tags);
        calls.Logger.LogWarning(
            "The receipts of {Count} messages of subscription {Subscription} were refused: they are dropped and will be delivered again: {Messages}",
            refused.Length,
            calls.Path,
            MessageNames.Of(refused));
    }

    private void GiveBack(PubSubDelivery[] unconfirmed, string reason)
    {
        flow.GiveBack(unconfirmed);
        PubSubMetrics.ReceiptsRefused.Add(unconfirmed.Length, calls.Tags);
        calls.Logger.LogWarning(
            "The receipts of {Count} messages of subscription {Subscription} were not confirmed ({Reason}): they are given back: {Messages}",
            unconfirmed.Length,
            calls.Path,
            reason,
            MessageNames.Of(unconfirmed));
    }
}
