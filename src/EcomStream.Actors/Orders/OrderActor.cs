using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// One live order. It holds the order's <see cref="OrderState"/> and carries out what that decides; when nothing is
/// left to do it offers its vacancy, and its supervisor hands it to another order.
/// </summary>
/// <remarks>
/// It catches its own failures instead of being restarted: the messages that it holds unsettled are given back after a
/// delay, so that the broker delivers them again, and it goes on knowing nothing, which is always safe.
/// </remarks>
internal sealed partial class OrderActor : ActorBase
{
    // There is one of these actors for every live order: what they share is behind one reference, and what few of them
    // need is in _requests.
    private readonly Producer _shard;
    private OrderSlot _slot = null!;
    private OrderState _state;
    private int _epoch;
    private long _handled;
    private bool _passivate;

    // The span of the newest order message, where it has one, for payments to be linked to.
    private string? _orderTrace;

    // Correlation ids are never used twice by one actor, whatever orders it is handed to.
    private long _lastRequest;
    private OrderRequests? _requests;

    private OrderActor(Producer shard) => _shard = shard;

    /// <summary>The actors of one shard's orders.</summary>
    /// <param name="supervisor">Their supervisor.</param>
    /// <param name="writer">The writer of the shard.</param>
    /// <param name="settings">The settings.</param>
    public static Props Props(IActorRef supervisor, IActorRef writer, EcomStreamSettings settings) =>
        Akka.Actor.Props.CreateBy(new Producer(supervisor, writer, settings))
            .WithDispatcher("ecomstream.shard-dispatcher")
            .WithMailbox("ecomstream.order-mailbox");

    // It does not use Become: that allocates for every row that is read.
    protected override bool Receive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            Fail(message, failure);
        }

        return true;
    }

    /// <summary>
    /// Nothing is awaited but rows being written: every message is decided at once. While the row or dead letters are
    /// awaited, messages are put off: what is written after dead letters overwrites what they hold.
    /// </summary>
    private void Handle(object message)
    {
        switch (message)
        {
            case OrderSlot slot:
                _slot = slot;
                return;
            case OrderLoaded loaded when loaded.Correlation == _requests?.Awaited:
                Loaded(loaded);
                return;
            case PaymentsDeadLettered done when done.Correlation == _requests?.Awaited:
                DeadLettered();
                return;
            case OrderLoaded or PaymentsDeadLettered:
                // It answers a request that was forgotten after a failure.
                return;
            case InspectOrder inspect:
                Inspect(inspect);
                return;
            case WriteRejected rejected:
                // What was taken for written is not in the row. What is not carried out yet is decided again without it.
                Count();
                _state = _state.Forgotten();
                _requests?.DecideAgain();
                rejected.ReplyTo.Tell(new RejectionKnown(rejected.OrderId), ActorRefs.NoSender);
                break;
            case PaymentsParked parked:
                Parked(parked);
                LoadMoreRows();
                break;
            default:
                Count();
                Take(message is LocalMessage local ? local.Message : message);
                break;
        }

        OfferVacancyIfDone();
    }

    private void Take(object message)
    {
        if (_requests is { IsAwaiting: true } requests)
        {
            (requests.PutOff ??= new Queue<object>()).Enqueue(message);
        }
        else
        {
            Decide(message);
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
            _orderTrace = null;
        }
    }

    // Not counted as a message of the order: it changes nothing, and does not keep the actor from leaving.
    private void Inspect(InspectOrder inspect) => inspect.ReplyTo.Tell(
        new OrderInspected(_state.OrderId != inspect.OrderId
            ? null
            : new OrderSnapshot(
                _state.OrderId, _state.OrderSide, _state.PaymentSide, _state.OrderStamp, _state.Payment?.Payment.Key,
                _state.Waiting, _state.HasMoreRows, _requests is { IsAwaiting: true })),
        ActorRefs.NoSender);

    private void Decide(object message)
    {
        try
        {
            DecideAndCarryOut(message);
        }
        catch
        {
            // It may be one that was put off, and not the one that the actor has received.
            Requests.Undecided = message;
            throw;
        }
    }

    private void DecideAndCarryOut(object message)
    {
        Decision decision;
        switch (message)
        {
            case OrderReceived order:
                if (order.HasTrace && order.Delivery.Trace?.Id is { } trace)
                {
                    _orderTrace = trace;
                    MessageTrace.Link(_state.Waiting, trace);
                }

                _state = _state.Receive(order, out decision);
                MessageTrace.Decided(order);
                break;
            case PaymentReceived payment:
                _state = _state.Receive(payment, out decision);
                MessageTrace.Decided(payment);
                MessageTrace.Link(payment, _orderTrace);
                break;
            case PaymentRefused refused:
                _state = _state.Refused(refused.Payment, out decision);
                break;
            case RecheckOrder or OrderCommand { Kind: OrderCommandKind.LoadFirst }:
                decision = new Decision { Load = true };
                break;
            case OrderCommand { Kind: OrderCommandKind.Park }:
                _state = _state.Park(out var parked);
                WriteRows(parked);
                return;
            case OrderCommand { Kind: OrderCommandKind.Passivate }:
                _passivate = true;
                return;
            default:
                Unhandled(message);
                return;
        }

        CarryOut(decision, message);
    }

    private OrderRequests Requests => _requests ??= new OrderRequests(_lastRequest);

    private bool IsParking => _requests is { Parking: > 0 };

    // Takes up what was put off, until something has to be awaited again.
    private void Continue()
    {
        var requests = _requests!;
        while (!requests.IsAwaiting)
        {
            if (requests.Recheck is { } recheck)
            {
                requests.Recheck = null;
                recheck.ReplyTo.Tell(new OrderRechecked(recheck.OrderId), ActorRefs.NoSender);
            }
            else if (requests.Again is { } again)
            {
                requests.Again = null;
                Decide(again);
            }
            else if (requests.PutOff is { Count: > 0 } putOff)
            {
                Decide(putOff.Dequeue());
            }
            else
            {
                LoadMoreRows();
                OfferVacancyIfDone();
                return;
            }
        }
    }

    private void OfferVacancyIfDone()
    {
        if (_requests is { IsAwaiting: true })
        {
            return;
        }

        if (IsParking)
        {
            // Rows that are still being written hold it; it goes when they are durable.
            return;
        }

        _requests = null;
        if (!_state.Waiting.IsEmpty)
        {
            _state = _state.WithoutGivenUp();
        }

        if (_state.IsComplete || _state.IsEmpty || (_passivate && _state.Waiting.All(w => w.HasRow)))
        {
            _slot.VacantAt = _handled;
            _shard.Supervisor.Tell(_slot, ActorRefs.NoSender);
        }

        _passivate = false;
    }

    private sealed class Producer(IActorRef supervisor, IActorRef writer, EcomStreamSettings settings) : IIndirectActorProducer
    {
        public IActorRef Supervisor => supervisor;

        public IActorRef Writer => writer;

        public EcomStreamSettings Settings => settings;

        public Type ActorType => typeof(OrderActor);

        public ActorBase Produce() => new OrderActor(this);

        public void Release(ActorBase actor)
        {
        }
    }
}
