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

    private readonly ShardContext _shard;
    private readonly Props _orderProps;
    private readonly int _maxLive;
    private readonly int _maxParked;
    private readonly int _maxWaiting;
    private readonly Dictionary<long, OrderSlot> _live = [];
    private readonly Stack<OrderSlot> _vacant = new();
    private readonly OrderRecency _recency = new();
    private readonly Queue<(long DueTick, OrderSlot Slot, int Epoch)> _parking = new();

    // Orders that were told to write rows and may still be in memory, the longest waiting first.
    private readonly Queue<(OrderSlot Slot, int Epoch)> _waiting = new();
    private int _tick;
    private long _parkTick;

    public OrderSupervisor(ShardContext shard)
    {
        _shard = shard;
        var settings = shard.Settings;
        _maxLive = Math.Max(1, settings.MaxLiveOrders / settings.Shards);
        _maxParked = settings.MaxParked / settings.Shards;
        _maxWaiting = settings.MaxWaiting / settings.Shards;
        var context = new OrderContext(Self, shard.Writer, settings);
        _orderProps = Props.CreateBy(new OrderActorProducer(context))
            .WithDispatcher("ecomstream.shard-dispatcher")
            .WithMailbox("ecomstream.order-mailbox");
    }

    public ITimerScheduler Timers { get; set; } = null!;

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
                    var received = batch.Messages[i];
                    Send(received.OrderId, received, received is OrderReceived);
                }

                break;
            case OrderSlot slot:
                Vacate(slot);
                break;
            case PaymentWaits waits:
                Await(waits);
                break;
            case ParkPayments or DeadLetterPayments:
                _shard.Sink.Tell(message, ActorRefs.NoSender);
                break;
            case PaymentRefused refused:
                Send(refused.Payment.OrderId, refused, isOrder: false);
                break;
            case RecheckOrder recheck:
                Send(recheck.OrderId, recheck, isOrder: false);
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

    private void Send(long orderId, object message, bool isOrder)
    {
        if (!_live.TryGetValue(orderId, out var slot))
        {
            slot = Assign(orderId);

            // A payment always reads the rows first; an order does only when the index says that there are any.
            if (isOrder && _shard.Index.Contains(orderId))
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
        slot.Actor.Tell(message, ActorRefs.NoSender);
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
        if (_vacant.Count < _shard.Settings.MaxVacant)
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
        var ticks = (int)Math.Ceiling(_shard.Settings.PassivateAfter / IdleTick);
        for (var n = _live.Count; n > 0 && _recency.Oldest is { } oldest && _tick - oldest.TouchedAt > ticks; n--)
        {
            Passivate(oldest);
        }
    }

    private void Await(PaymentWaits waits)
    {
        // Counted in ticks, which a clock that is set back does not hold up.
        var ticks = (long)Math.Ceiling(_shard.Settings.ParkAfter / ParkTick);
        _parking.Enqueue((_parkTick + ticks, waits.Slot, waits.Epoch));
        if (_parking.Count > _maxParked)
        {
            Park(_parking.Dequeue());
        }
        else if (_parking.Count == 1)
        {
            Timers.StartSingleTimer(nameof(ParkTick), ParkCheck.Instance, ParkTick);
        }
    }

    private void ParkDue(long tick)
    {
        while (_parking.TryPeek(out var first) && first.DueTick <= tick)
        {
            Park(_parking.Dequeue());
        }

        if (_parking.Count > 0)
        {
            Timers.StartSingleTimer(nameof(ParkTick), ParkCheck.Instance, ParkTick);
        }
    }

    private void Park((long DueTick, OrderSlot Slot, int Epoch) entry)
    {
        if (!IsStillLive(entry.Slot, entry.Epoch))
        {
            return;
        }

        entry.Slot.Sent++;
        entry.Slot.Actor.Tell(OrderCommand.Park, ActorRefs.NoSender);
        _waiting.Enqueue((entry.Slot, entry.Epoch));
        while (_waiting.Count > _maxWaiting)
        {
            // Its row is read again when it is its turn.
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

    private sealed class IdleCheck
    {
        public static readonly IdleCheck Instance = new();
    }

    private sealed class ParkCheck
    {
        public static readonly ParkCheck Instance = new();
    }

    private sealed class OrderActorProducer(OrderContext context) : IIndirectActorProducer
    {
        public Type ActorType => typeof(OrderActor);

        public ActorBase Produce() => new OrderActor(context);

        public void Release(ActorBase actor)
        {
        }
    }
}
