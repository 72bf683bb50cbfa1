using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Calls of the store that succeed: messages are settled, unmatched rows healed, and the next work released.</summary>
internal sealed partial class FactWriter
{
    private void SettleNow(OrderMessage message)
    {
        if (message.Replay is null)
        {
            message.Delivery.Ack();
        }
        else
        {
            SettleReplay(message);
        }
    }

    // The unmatched writer acks a replay, when its dead letter is marked as healed.
    private void SettleReplay(OrderMessage message)
    {
        if (message is PaymentReceived payment)
        {
            _unmatched.Tell(new HealReplayedPayment(payment), ActorRefs.NoSender);
        }
        else if (HealReplayedMessage.For(message) is { } replayed)
        {
            _unmatched.Tell(replayed, ActorRefs.NoSender);
        }
        else
        {
            message.Delivery.Ack();
        }
    }

    private void Complete(FactsWritten written)
    {
        var batch = written.Batch;
        HashSet<long>? refused = written.Refused.Count > 0 ? [.. written.Refused] : null;
        var payments = 0;
        var measure = _metrics.MeasuresLatency;
        var nowMicros = measure ? Timestamps.Micros(_time.GetUtcNow()) : 0;
        foreach (var work in batch.Work)
        {
            // Before the acks: when nothing is outstanding any more, the unmatched writer knows all that is left to do.
            Heal(work.Current!, paymentIsRefused: refused?.Contains(work.OrderId) == true);
        }

        foreach (var work in batch.Work)
        {
            var done = work.Current!;
            payments += done.Payment is null ? 0 : 1;
            if (measure && done.NewestPublishTimeMicros != long.MinValue)
            {
                _metrics.Latency((nowMicros - done.NewestPublishTimeMicros) / 1e6);
            }

            if (refused is not null && refused.Contains(work.OrderId))
            {
                payments--;
                done.AckOrders();
                foreach (var payment in done.Payments)
                {
                    _router.Route(new PaymentRefused(payment));
                }
            }
            else
            {
                done.AckAll();
            }

            Next(work, batch);
        }

        _rowsWritten += batch.Work.Count;
        _metrics.Written(batch.Work.Count, payments);
        if (refused is not null)
        {
            _metrics.Refused(refused.Count);
        }
    }

    private void Heal(PendingWrite done, bool paymentIsRefused)
    {
        if (done.Heal is { } heal && !paymentIsRefused)
        {
            _unmatched.Tell(new HealPayments(heal[0].OrderId, heal), ActorRefs.NoSender);
        }

        if (done.HasReplay)
        {
            foreach (var message in done.Messages.Where(message => message.Replay is not null && !(paymentIsRefused && message is PaymentReceived)))
            {
                SettleReplay(message);
            }
        }
    }

    // After an order write that was divided from its payment comes that payment.
    private void Next(OrderWork work, WriteBatch written)
    {
        work.Current = work.Current!.PaymentPart;
        if (work.Current is null)
        {
            _queue.Release(work);
            return;
        }

        _writesInFlight++;
        Run(new WriteBatch([work]) { RejectedAt = written.RejectedAt });
    }

    private void Complete(OrdersLoaded loaded)
    {
        for (var i = 0; i < loaded.Batch.Work.Count; i++)
        {
            var work = loaded.Batch.Work[i];
            work.Answer(loaded.Orders[i]);
            work.Reading = false;
            _queue.Release(work);
        }

        _metrics.Loaded(loaded.Batch.Work.Count);
    }
}
