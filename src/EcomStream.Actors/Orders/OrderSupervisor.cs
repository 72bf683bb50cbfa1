using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// One shard: the parent of its orders' actors. It finds or assigns the actor of each message's order, takes back the
/// actors that have nothing left to do, passivates idle ones and those above the bound, keeps the time of payments
/// that wait unacked, and routes unmatched payments to the dead-letter sink.
/// </summary>
internal sealed class OrderSupervisor : UntypedActor, IWithTimers
{
    private static readonly TimeSpan IdleTick = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ParkTick = TimeSpan.FromMilliseconds(50);

    private readonly IActorRef _unmatched;
    private readonly UnmatchedIndex _index;
    private readonly Action<Delivery>? _givenBack;
    private readonly Props _orderProps;
    private readonly bool _verifiesSerialization = Context.System.Settings.SerializeAllMessages;
    private readonly int _maxLive;
    private readonly int _maxWaiting;
    private readonly int _maxVacant;
    private readonly int _parkTicks;
    private readonly int _idleTicks;
    private readonly Dictionary<long, OrderSlot> _live = [];
    private readonly Stack<OrderSlot> _vacant = new();
    private readonly OrderRecency _recency = new();
    private readonly Parking<OrderSlot> _parking;

    // Orders that were told to write rows and may still be in memory, the longest waiting first.
    private readonly Queue<(OrderSlot Slot, int Epoch)> _waiting = new();
    private int _tick;
    private long _parkTick;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public OrderSupervisor(
        EcomStreamSettings settings, IActorRef writer, IActorRef unmatched, UnmatchedIndex index, Action<Delivery>? givenBack = null)
    {
        _unmatched = unmatched;
        _givenBack = givenBack;
        _index = index;
        _maxLive = Math.Max(1, settings.MaxLiveOrders / settings.Shards);
        _maxWaiting = settings.MaxWaiting / settings.Shards;
        _maxVacant = settings.MaxVacant;
        _parkTicks = (int)Math.Ceiling(settings.ParkAfter / ParkTick);
        _idleTicks = (int)Math.Ceiling(settings.PassivateAfter / IdleTick);
        _parking = new Parking<OrderSlot>(settings.MaxParked / settings.Shards, IsStillLive);
        _orderProps = OrderActor.Props(Self, writer, settings);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A shard.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="writer">The writer of the shard.</param>
    /// <param name="unmatched">The <see cref="UnmatchedWriter"/>.</param>
    /// <param name="index">The orders with unmatched payments.</param>
    /// <param name="givenBack">Is told which deliveries are given back unsettled, before they are.</param>
    public static Props Props(
        EcomStreamSettings settings, IActorRef writer, IActorRef unmatched, UnmatchedIndex index, Action<Delivery>? givenBack = null) =>
        Akka.Actor.Props.Create(() => new OrderSupervisor(settings, writer, unmatched, index, givenBack))
            .WithDispatcher("ecomstream.shard-dispatcher");

    protected override void PreStart() => Timers.StartPeriodicTimer(nameof(IdleTick), IdleCheck.Instance, IdleTick);

    // An order actor handles its own failures; what it cannot handle is a failure of the shard, and of the pipeline.
    protected override SupervisorStrategy SupervisorStrategy() =>
        new OneForOneStrategy(_ => Directive.Escalate);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ShardBatch batch:
                for (var i = 0; i < batch.Messages.Count; i++)
                {
                    Receive(batch.Messages[i]);
                }

                break;
            case OrderSlot slot:
                Vacate(slot);
                break;
            case PaymentWaits waits:
                Await(waits);
                break;
            case ParkPayments or DeadLetterPayments:
                _unmatched.Tell(message, ActorRefs.NoSender);
                break;
            case PaymentChecked { Payment: var payment }:
                Send(payment.OrderId, payment, isOrder: false);
                break;
            case PaymentRefused or RecheckOrder:
                Send(((IOrderMessage)message).OrderId, message, isOrder: false);
                break;
            case WriteRejected rejected when _live.ContainsKey(rejected.OrderId):
                Send(rejected.OrderId, rejected, isOrder: false);
                break;
            case WriteRejected rejected:
                // The order is not in memory: nothing wrong is known of it.
                rejected.ReplyTo.Tell(new RejectionKnown(rejected.OrderId), ActorRefs.NoSender);
                break;
            case InspectOrder inspect when _live.TryGetValue(inspect.OrderId, out var inspected):
                inspected.Actor.Tell(inspect, ActorRefs.NoSender);
                break;
            case InspectOrder inspect:
                inspect.ReplyTo.Tell(new OrderInspected(null), ActorRefs.NoSender);
                break;
            case ReturnDeliveries deliveries:
                Timers.StartSingleTimer(deliveries, new GiveBack(deliveries.Deliveries), deliveries.Delay);
                break;
            case GiveBack back:
                foreach (var delivery in back.Deliveries)
                {
                    _givenBack?.Invoke(delivery);
                    delivery.Nack();
                }

                break;
            case ParkCheck:
                _parkTick++;
                ParkDue(_parkTick);
                break;
            case IdleCheck:
                PassivateIdle();
                break;
            case ParkAll:
                ParkDue(long.MaxValue);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    // The row of an order does not show whether an operator has discarded the payment, so this is checked first.
    private void Receive(OrderMessage message)
    {
        if (message is PaymentReceived payment && _index.MayHaveDiscarded(payment.OrderId))
        {
            _unmatched.Tell(new CheckDiscarded(payment, Self), ActorRefs.NoSender);
        }
        else
        {
            Send(message.OrderId, message, message is OrderReceived);
        }
    }

    private void Send(long orderId, object message, bool isOrder)
    {
        if (!_live.TryGetValue(orderId, out var slot))
        {
            slot = Assign(orderId);

            // A payment always reads the rows first; an order does only when the index says that there are any.
            if (isOrder && _index.Contains(orderId))
            {
                slot.Sent++;
                slot.Actor.Tell(OrderCommand.LoadFirst, ActorRefs.NoSender);
            }
        }
        else if (slot.TouchedAt != _tick)
        {
            slot.TouchedAt = _tick;
            _recency.MoveToNewest(slot);
        }

        slot.Sent++;
        slot.Actor.Tell(
            _verifiesSerialization && message is OrderMessage received ? new LocalMessage(received) : message, ActorRefs.NoSender);
    }

    private OrderSlot Assign(long orderId)
    {
        if (!_vacant.TryPop(out var slot))
        {
            slot = new OrderSlot();
            slot.Actor = Context.ActorOf(_orderProps);
            slot.Actor.Tell(slot, ActorRefs.NoSender);
        }

        slot.OrderId = orderId;
        slot.Epoch++;
        slot.Failures = 0;
        slot.TouchedAt = _tick;
        _live.Add(orderId, slot);
        _recency.Add(slot);
        if (_live.Count > _maxLive && _recency.Oldest is { } oldest && oldest != slot)
        {
            // It may not be ready to go; the next assignment then asks another one.
            Passivate(oldest);
        }

        return slot;
    }

    private void Vacate(OrderSlot slot)
    {
        if (slot.VacantAt != slot.Sent || !_live.TryGetValue(slot.OrderId, out var live) || live != slot)
        {
            return;
        }

        _live.Remove(slot.OrderId);
        _recency.Remove(slot);
        _parking.Ended(slot.Waits);
        slot.Waits = 0;
        if (_vacant.Count < _maxVacant)
        {
            _vacant.Push(slot);
        }
        else
        {
            Context.Stop(slot.Actor);
        }
    }

    private void Passivate(OrderSlot slot)
    {
        _recency.MoveToNewest(slot);
        slot.Sent++;
        slot.Actor.Tell(OrderCommand.Passivate, ActorRefs.NoSender);
    }

    private void PassivateIdle()
    {
        _tick++;
        for (var n = _live.Count; n > 0 && _recency.Oldest is { } oldest && _tick - oldest.TouchedAt > _idleTicks; n--)
        {
            Passivate(oldest);
        }
    }

    private void Await(PaymentWaits waits)
    {
        if (!IsStillLive(waits.Slot, waits.Epoch))
        {
            return;
        }

        // Counted in ticks, which a clock that is set back does not hold up.
        var startsTimer = _parking.IsEmpty;
        waits.Slot.Waits++;
        _parking.Add(_parkTick + _parkTicks, waits.Slot, waits.Epoch);
        ParkDue(_parkTick, startsTimer);
    }

    private void ParkDue(long tick, bool startsTimer = true)
    {
        while (_parking.TryTake(tick, out var slot))
        {
            Park(slot);
        }

        if (startsTimer && !_parking.IsEmpty)
        {
            Timers.StartSingleTimer(nameof(ParkTick), ParkCheck.Instance, ParkTick);
        }
    }

    private void Park(OrderSlot parked)
    {
        parked.Waits--;
        parked.Sent++;
        parked.Actor.Tell(OrderCommand.Park, ActorRefs.NoSender);
        _waiting.Enqueue((parked, parked.Epoch));
        while (_waiting.Count > _maxWaiting)
        {
            // Its row is read again when it is due.
            var (slot, epoch) = _waiting.Dequeue();
            if (IsStillLive(slot, epoch))
            {
                Passivate(slot);
            }
        }
    }

    // The order may have come, been completed and its actor handed on.
    private bool IsStillLive(OrderSlot slot, int epoch) =>
        slot.Epoch == epoch && _live.TryGetValue(slot.OrderId, out var live) && live == slot;

    private sealed record GiveBack(IReadOnlyList<Delivery> Deliveries) : INoSerializationVerificationNeeded;

    private sealed class IdleCheck : INoSerializationVerificationNeeded
    {
        public static readonly IdleCheck Instance = new();
    }

    private sealed class ParkCheck : INoSerializationVerificationNeeded
    {
        public static readonly ParkCheck Instance = new();
    }
}
