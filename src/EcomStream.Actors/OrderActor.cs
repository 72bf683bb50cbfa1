using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// One live order. It holds the order's <see cref="OrderState"/> and carries out what that decides; when nothing is
/// left to do it offers its vacancy, and its supervisor hands it to another order.
/// </summary>
/// <remarks>
/// It catches its own failures instead of being restarted: whatever it holds unsettled is nacked, so that the broker
/// delivers it again, and it goes on knowing nothing, which is always safe.
/// </remarks>
internal sealed class OrderActor : ActorBase
{
    private readonly OrderContext _context;
    private OrderSlot _slot = null!;
    private OrderState _state;
    private int _epoch;
    private long _handled;
    private int _parking;
    private bool _passivate;
    private Suspension? _suspended;

    public OrderActor(OrderContext context) => _context = context;

    protected override bool Receive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            Context.GetLogger().Error(failure, "Order {0} failed on {1}; its messages go back to their subscription", _state.OrderId, message.GetType().Name);
            Forget(message);
        }

        return true;
    }

    private void Handle(object message)
    {
        switch (message)
        {
            // Answers, in the order in which they are frequent. They are not counted: whoever awaits one is not vacant.
            case OrderLoaded loaded when _suspended is { Loading: true } && loaded.OrderId == _state.OrderId:
                Resume(loaded);
                break;
            case PaymentsParked when _parking > 0:
                _parking--;
                break;
            case PaymentsDeadLettered when _suspended is { AfterDeadLetters: not null }:
                ResumeAfterDeadLetters();
                break;
            case OrderLoaded or PaymentsParked or PaymentsDeadLettered:
                // It answers what was forgotten after a failure.
                return;
            case OrderSlot slot:
                _slot = slot;
                return;
            default:
                Count();
                if (_suspended is { } suspended)
                {
                    suspended.Messages.Enqueue(message);
                    return;
                }

                Decide(message);
                break;
        }

        if (_suspended is null)
        {
            if (_parking == 0 && (_state.IsComplete || _state.IsEmpty || (_passivate && _state.Waiting.All(w => w.HasRow))))
            {
                OfferVacancy();
            }

            // Rows that are still being written hold it; it goes when they are durable.
            _passivate &= _parking > 0;
        }
    }

    private void Count()
    {
        _slot.VacantAt = OrderSlot.NotVacant;
        _handled++;
        if (_slot.Epoch != _epoch)
        {
            _epoch = _slot.Epoch;
            _state = OrderState.New(_slot.OrderId);
        }
    }

    private void Decide(object message)
    {
        Decision decision;
        switch (message)
        {
            case OrderReceived order:
                _state = _state.Receive(order, out decision);
                break;
            case PaymentReceived payment:
                _state = _state.Receive(payment, out decision);
                break;
            case PaymentRefused refused:
                _state = _state.Refused(refused.Payment, out decision);
                break;
            case RecheckOrder or OrderCommand { Kind: OrderCommandKind.LoadFirst }:
                decision = new Decision { Load = true };
                break;
            case OrderCommand { Kind: OrderCommandKind.Park }:
                Park();
                return;
            case OrderCommand { Kind: OrderCommandKind.Passivate }:
                _passivate = true;
                return;
            default:
                Unhandled(message);
                return;
        }

        Carry(decision, message);
    }

    private void Carry(in Decision decision, object? cause)
    {
        if (decision.Load)
        {
            _suspended = new Suspension { Loading = true, Cause = cause };
            _context.Writer.Tell(new LoadOrder(_state.OrderId, Self), ActorRefs.NoSender);
            return;
        }

        if (decision.DeadLetters is { } deadLetters)
        {
            // What is written overwrites what is dead-lettered, so the write waits until that is durable.
            _suspended ??= new Suspension();
            _suspended.AfterDeadLetters = decision with { DeadLetters = null };
            _context.Supervisor.Tell(new DeadLetterPayments(deadLetters, Self), ActorRefs.NoSender);
            return;
        }

        if (decision.WriteOrder is not null || decision.WritePayment is not null || decision.Heal is not null || decision.SettleAlso is not null)
        {
            _context.Writer.Tell(
                new WriteFact
                {
                    OrderId = _state.OrderId,
                    Order = decision.WriteOrder,
                    Payment = decision.WritePayment,
                    Guarded = decision.Guarded,
                    SettleAlso = decision.SettleAlso,
                    Heal = decision.Heal,
                },
                ActorRefs.NoSender);
        }

        if (decision.Settle is PaymentReceived again && _parking > 0 && _state.OrderSide != OrderSide.Present)
        {
            // The row that makes it safe is still being written: it is settled behind that row, not before.
            ParkRows([again]);
        }
        else if (decision.Settle is { } settle)
        {
            _context.Writer.Tell(new SettleAfterWrites(settle), ActorRefs.NoSender);
        }

        if (decision.Wait is not null)
        {
            _context.Supervisor.Tell(new PaymentWaits(_slot, _epoch), ActorRefs.NoSender);
        }
    }

    private void Park()
    {
        _state = _state.Park(out var parked);
        if (parked.Count > 0)
        {
            ParkRows(parked);
        }
    }

    private void ParkRows(IReadOnlyList<PaymentReceived> payments)
    {
        _parking++;
        _context.Supervisor.Tell(new ParkPayments(payments, Self), ActorRefs.NoSender);
    }

    private void Resume(OrderLoaded loaded)
    {
        var suspended = _suspended!;
        suspended.Loading = false;
        _state = _state.Loaded(loaded.Row, loaded.Unmatched, out var decision);
        if (suspended.Cause is RecheckOrder recheck)
        {
            suspended.Rechecked = recheck;
            if (decision == Decision.Nothing)
            {
                _state = _state.GiveUp(recheck.WatermarkMicros, _context.Settings.Grace, out decision);
            }
        }

        if (suspended.Cause is OrderMessage or PaymentRefused)
        {
            suspended.Again = suspended.Cause;
        }

        suspended.Cause = null;
        Carry(decision, null);
        Continue();
    }

    private void ResumeAfterDeadLetters()
    {
        var suspended = _suspended!;
        var rest = suspended.AfterDeadLetters;
        suspended.AfterDeadLetters = null;
        if (rest is { } decision)
        {
            Carry(decision, null);
        }

        Continue();
    }

    // Takes up what was put off, until something has to be awaited again.
    private void Continue()
    {
        var suspended = _suspended!;
        if (suspended.AfterDeadLetters is not null)
        {
            return;
        }

        if (suspended.Rechecked is { } recheck)
        {
            suspended.Rechecked = null;
            recheck.ReplyTo.Tell(new OrderRechecked(recheck.OrderId), ActorRefs.NoSender);
        }

        _suspended = null;
        if (suspended.Again is { } again)
        {
            suspended.Again = null;
            Decide(again is PaymentRefused refused ? refused.Payment : again);
        }

        while (_suspended is null && suspended.Messages.TryDequeue(out var message))
        {
            Decide(message);
        }

        if (_suspended is { } anew)
        {
            foreach (var message in suspended.Messages)
            {
                anew.Messages.Enqueue(message);
            }
        }
    }

    private void OfferVacancy()
    {
        _slot.VacantAt = _handled;
        _context.Supervisor.Tell(_slot, ActorRefs.NoSender);
    }

    private void Forget(object message)
    {
        Nack(message);
        foreach (var waiting in _state.Waiting)
        {
            waiting.Message.Delivery.Nack();
        }

        if (_suspended is { } suspended)
        {
            Nack(suspended.Cause);
            Nack(suspended.Again);
            Nack(suspended.AfterDeadLetters?.WriteOrder);
            Nack(suspended.AfterDeadLetters?.WritePayment);
            foreach (var queued in suspended.Messages)
            {
                Nack(queued);
            }
        }

        _suspended = null;
        _parking = 0;
        _state = OrderState.New(_state.OrderId);
    }

    private static void Nack(object? message)
    {
        switch (message)
        {
            case OrderMessage { Delivery: var delivery }:
                delivery.Nack();
                break;
            case PaymentRefused { Payment.Delivery: var delivery }:
                delivery.Nack();
                break;
        }
    }

    /// <summary>What an order puts off while it awaits a load or a dead letter.</summary>
    private sealed class Suspension
    {
        /// <summary>Whether a load is awaited.</summary>
        public bool Loading;

        /// <summary>What made the load necessary.</summary>
        public object? Cause;

        /// <summary>What is to be decided again, now that the row is known.</summary>
        public object? Again;

        /// <summary>Who asked for the load, to be told when what follows is durable.</summary>
        public RecheckOrder? Rechecked;

        /// <summary>What is carried out when the dead letters are durable.</summary>
        public Decision? AfterDeadLetters;

        /// <summary>What came in the meantime.</summary>
        public readonly Queue<object> Messages = new();
    }
}
