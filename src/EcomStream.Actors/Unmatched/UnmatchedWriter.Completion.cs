using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Work whose rows are durable: the index is set, messages are settled, requests answered, and lanes released.</summary>
internal sealed partial class UnmatchedWriter
{
    private void Complete(UnmatchedBatch batch)
    {
        if (batch.Works.Count == 0)
        {
            return;
        }

        if (_failures > 0)
        {
            _failures = 0;
            _log.Info("Unmatched rows are written again");
        }

        foreach (var work in batch.Works)
        {
            Index(work);
            Settle(work);
            Count(work);
            _queue.Release(work.RowOrderId);
        }

        Start();
    }

    private void Index(UnmatchedWork work)
    {
        var rows = work.Ledger!.Rows.Where(row => row is { IsMessage: false, IsUnjoined: true } && !work.IsGivenUp(row)).ToList();
        if (rows.Any(row => row.State == UnmatchedState.Discarded))
        {
            _index.SetDiscarded(work.RowOrderId);
        }
        else if (work.KnowsUnjoined)
        {
            _index.RemoveDiscarded(work.RowOrderId);
        }

        if (!work.KnowsWaiting)
        {
            // Not every row that waits is known: what is known is added, and nothing is removed.
            foreach (var row in rows.Where(row => row.IsHealable))
            {
                _index.Add(new UnjoinedPayment(row.OrderId, row.State, row.PublishTimeMicros));
            }

            return;
        }

        var waiting = rows.Where(row => row.State == UnmatchedState.Waiting).ToList();
        var hasDeadLettered = !work.KnowsHealable || rows.Any(row => row.State == UnmatchedState.DeadLettered);
        if (waiting.Count > 0)
        {
            _index.SetWaiting(work.RowOrderId, waiting.Min(row => row.PublishTimeMicros), hasDeadLettered);
        }
        else if (hasDeadLettered)
        {
            _index.SetDeadLettered(work.RowOrderId);
        }
        else
        {
            _index.Remove(work.RowOrderId);
        }
    }

    private void Settle(UnmatchedWork work)
    {
        foreach (var (payment, why) in work.CannotWait ?? [])
        {
            // It is acked with its dead letter.
            _metrics.Rejected(1);
            _queue.Enqueue(new DeadLetterMessage(
                payment.Delivery, _settings.PaymentsDeadLetterTopic, DeadLetterReason.StoreRejected, why, payment.OrderId, payment.Payment.IdAsText));
        }

        foreach (var command in work.Commands)
        {
            switch (command)
            {
                case ParkPayments park:
                    Ack(park.Payments.Where(payment => !work.IsGivenUp(payment)));
                    List<PaymentReceived> notWaiting = [.. park.Payments.Where(payment => !work.Ledger!.IsWaiting(payment) || work.IsGivenUp(payment))];
                    park.ReplyTo.Tell(new PaymentsParked(park.OrderId, park.Correlation, notWaiting.Count > 0 ? notWaiting : null), ActorRefs.NoSender);
                    break;
                case DeadLetterPayments deadLetters:
                    Ack(deadLetters.Payments.Select(deadLetter => deadLetter.Payment));
                    deadLetters.ReplyTo.Tell(new PaymentsDeadLettered(deadLetters.OrderId, deadLetters.Correlation), ActorRefs.NoSender);
                    break;
                case CheckDiscarded check:
                    Settle(check, work.Ledger!.IsDiscarded(check.Payment));
                    break;
                case DeadLetterMessage deadLetter:
                    deadLetter.Delivery.Ack();
                    break;
                case HealReplayedPayment replayed:
                    Ack([replayed.Payment]);
                    break;
                case HealReplayedMessage replayed:
                    replayed.Delivery.Ack();
                    break;
            }
        }
    }

    private void Settle(CheckDiscarded check, bool isDiscarded)
    {
        if (isDiscarded)
        {
            Ack([check.Payment]);
        }
        else
        {
            check.ReplyTo.Tell(new PaymentChecked(check.Payment), ActorRefs.NoSender);
        }
    }

    private void Ack(IEnumerable<PaymentReceived> payments)
    {
        foreach (var payment in payments)
        {
            if (HealReplayedMessage.For(payment) is { } replayed)
            {
                _queue.Enqueue(replayed);
            }
            else
            {
                payment.Delivery.Ack();
            }
        }
    }

    private void Count(UnmatchedWork work)
    {
        foreach (var reason in work.Published.Values.GroupBy(letter => letter.Reason))
        {
            _metrics.DeadLettered(reason.Key, reason.Count());
        }

        var ledger = work.Ledger!;
        if (work.Healed is { } ids && ledger.Rows.Where(row => row.State == UnmatchedState.Healed && ids.Contains(row.Id)).ToList() is { Count: > 0 } healed)
        {
            _metrics.Healed(healed.Count);
            _log.Debug("Healed {DeadLetterId} and {Others} more: the payment was joined with its order", healed[^1].Id, healed.Count - 1);
        }

        if (ledger.Parked > 0)
        {
            _metrics.Parked(ledger.Parked);
        }
    }
}
