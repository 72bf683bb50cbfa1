using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>How an order's actor carries out decisions: what it sends to the writer and, by way of its supervisor, to the unmatched writer.</summary>
internal sealed partial class OrderActor
{
    private void CarryOut(in Decision decision, object? cause)
    {
        if (decision.Load)
        {
            Load(cause);
            return;
        }

        if (decision.DeadLetters is { } deadLetters)
        {
            var requests = Requests;
            requests.AfterDeadLetters = decision with { DeadLetters = null };
            requests.Awaited = ++_lastRequest;
            _shard.Supervisor.Tell(new DeadLetterPayments(_state.OrderId, deadLetters, requests.Awaited, Self), ActorRefs.NoSender);
            return;
        }

        Write(decision);
        if (decision.Settle is PaymentReceived again && IsParking && _state.OrderSide != OrderSide.Present)
        {
            // The row that makes it safe is still being written: it is settled behind that row, not before.
            WriteRows([again]);
        }
        else if (decision.Settle is { } settle)
        {
            _shard.Writer.Tell(new SettleAfterWrites(settle), ActorRefs.NoSender);
        }

        if (decision.Wait is not null)
        {
            _shard.Supervisor.Tell(new PaymentWaits(_slot, _epoch), ActorRefs.NoSender);
        }

        if (decision.Park is { } park)
        {
            WriteRows([park]);
        }

        LoadMoreRows();
    }

    private void Write(in Decision decision)
    {
        if (decision.WriteOrder is not null || decision.WritePayment is not null || decision.Heal is not null || decision.SettleAlso is not null)
        {
            _shard.Writer.Tell(
                new WriteFact
                {
                    OrderId = _state.OrderId,
                    Order = decision.WriteOrder,
                    Payment = decision.WritePayment,
                    PaymentDetailStamp = decision.PaymentDetailStamp,
                    Guarded = decision.Guarded,
                    SettleAlso = decision.SettleAlso,
                    Heal = decision.Heal,
                },
                ActorRefs.NoSender);
        }
    }

    private void WriteRows(IReadOnlyList<PaymentReceived> payments)
    {
        if (payments.Count > 0)
        {
            Requests.Parking++;
            _shard.Supervisor.Tell(new ParkPayments(_state.OrderId, payments, ++_lastRequest, Self), ActorRefs.NoSender);
        }
    }

    // Rows that are being written are not in the index yet: they are waited for.
    private void LoadMoreRows()
    {
        if (_state.NeedsMoreRows && !IsParking && _requests is not { IsAwaiting: true })
        {
            Load(null);
        }
    }

    private void Load(object? cause)
    {
        var requests = Requests;
        requests.Cause = cause;
        requests.Awaited = ++_lastRequest;
        _shard.Writer.Tell(new LoadOrder(_state.OrderId, requests.Awaited, Self), ActorRefs.NoSender);
    }
}
