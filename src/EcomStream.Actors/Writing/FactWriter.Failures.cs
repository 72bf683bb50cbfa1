using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Calls of the store that fail: repeated, halved until one row stands alone, and rejected rows.</summary>
internal sealed partial class FactWriter
{
    private void Recovered()
    {
        if (_failures > 0)
        {
            _log.Info("The store works again after {Attempts} failed attempts", _failures);
            _failures = 0;
        }
    }

    private void Retry(StoreCallFailed failed)
    {
        var batch = failed.Batch;
        batch.RejectedAt ??= failed.Error is StoreRejectedException ? _rowsWritten : null;
        if (failed.Error is not StoreUnavailableException && batch.Work.Count > 1
            && (failed.Error is StoreRejectedException || batch.Failures >= AttemptsBeforeHalving))
        {
            Halve(batch);
            return;
        }

        if (failed.Error is StoreRejectedException && batch is WriteBatch && Rejected(batch, failed.Error.Message))
        {
            return;
        }

        _failures++;
        batch.Failures++;
        _metrics.Retried(batch.Operation);
        var delay = _settings.WriteBackoff.After(batch.Failures);
        if (batch.Failures is 1 || batch.Failures % 10 == 0)
        {
            _log.Warning(
                "The store failed to {Operation} {Orders} orders (attempt {Attempt}); the sources wait and nothing is lost, next attempt in {Delay:0.0} s: {Error}",
                batch.Operation, batch.Work.Count, batch.Failures, delay.TotalSeconds, failed.Error.Message);
        }

        batch.IsIsolated = failed.Error is not StoreUnavailableException && batch.Work.Count == 1;
        _retrying.Add(batch);
        Timers.StartSingleTimer(++_timer, new RepeatBatch(batch), delay);
    }

    // One row of the batch is rejected: halves are tried until it stands alone.
    private void Halve(StoreBatch batch)
    {
        if (batch is WriteBatch)
        {
            _writesInFlight++;
        }
        else
        {
            _readsInFlight++;
        }

        var half = batch.Work.Count / 2;
        Run(batch.Part(0, half));
        Run(batch.Part(half, batch.Work.Count - half));
    }

    // A row is at fault only when the store accepts another one meanwhile; otherwise the store refuses everything, and the
    // row is tried again like any other failure.
    private bool Rejected(StoreBatch batch, string why)
    {
        if (batch.RejectedAt == _rowsWritten)
        {
            return false;
        }

        var work = batch.Work[0];
        var done = work.Current!;
        if (done.HasBothSides)
        {
            // Only one side may be at fault. The order comes first: without it, its payment has to wait.
            work.Current = done.Divide();
            Run(new WriteBatch([work]) { RejectedAt = batch.RejectedAt });
            return true;
        }

        _writesInFlight--;
        // Only the message whose columns were written is at fault; what was merged with it is decided again.
        var (messages, others) = done.SplitRejected();
        _metrics.Rejected(messages.Count);
        _log.Error("The store rejected the row of order {OrderId}, whose {Messages} messages are dead-lettered: {Error}", work.OrderId, messages.Count, why);
        foreach (var message in messages)
        {
            _unmatched.Tell(
                new DeadLetterMessage(
                    message.Delivery,
                    message is OrderReceived ? _settings.OrdersDeadLetterTopic : _settings.PaymentsDeadLetterTopic,
                    DeadLetterReason.StoreRejected,
                    why,
                    message.OrderId,
                    (message as PaymentReceived)?.Payment.IdAsText),
                ActorRefs.NoSender);
        }

        _rejected[work.OrderId] = _rejected.GetValueOrDefault(work.OrderId) + 1;
        _router.Route(new WriteRejected(work.OrderId, Self));
        if (done.PaymentPart is { } orphan)
        {
            // Its order is not in the row: each payment is decided again.
            others.AddRange(orphan.Messages);
        }

        if (done.HasOrder && work.Pending is { HasOrder: false } later)
        {
            others.AddRange(later.Messages);
            work.Pending = null;
        }
        else if (!done.HasOrder && work.Pending is { Payment: null } order)
        {
            // They were to be settled behind the payment that was rejected.
            others.AddRange(order.TakePayments());
        }

        _router.Route(others);

        work.Current = null;
        _queue.Release(work);
        return true;
    }
}
