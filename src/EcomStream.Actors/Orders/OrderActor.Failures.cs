using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What an order's actor does when it fails: it gives back what it holds and goes on knowing nothing.</summary>
internal sealed partial class OrderActor
{
    private void Fail(object message, Exception failure)
    {
        var held = Held(message).OfType<OrderMessage>().Select(m => m.Delivery).Distinct().ToList();
        var delay = _shard.Settings.WriteBackoff.After(++_slot.Failures);
        Context.GetLogger().Error(
            failure,
            "Order {OrderId} failed on {Message}; its {Deliveries} messages go back to their subscription in {Delay:0.0} s",
            _state.OrderId, message.GetType().Name, held.Count, delay.TotalSeconds);
        _shard.Supervisor.Tell(new ReturnDeliveries(held, delay), ActorRefs.NoSender);
        if (_requests is { } requests)
        {
            requests.Recheck?.ReplyTo.Tell(new OrderRechecked(_state.OrderId), ActorRefs.NoSender);
            foreach (var recheck in (requests.PutOff ?? []).OfType<RecheckOrder>())
            {
                recheck.ReplyTo.Tell(new OrderRechecked(_state.OrderId), ActorRefs.NoSender);
            }

            (requests.Cause as RecheckOrder)?.ReplyTo.Tell(new OrderRechecked(_state.OrderId), ActorRefs.NoSender);
            _requests = null;
        }

        _state = OrderState.New(_state.OrderId);
    }

    // Everything that was neither settled nor handed over.
    private IEnumerable<object?> Held(object message)
    {
        yield return message is PaymentRefused refused ? refused.Payment : (message as LocalMessage)?.Message ?? message;
        foreach (var waiting in _state.Waiting.Where(w => !w.HasRow))
        {
            yield return waiting.Message;
        }

        if (_requests is not { } requests)
        {
            yield break;
        }

        yield return requests.Undecided is PaymentRefused undecided ? undecided.Payment : requests.Undecided;
        yield return requests.Cause is PaymentRefused cause ? cause.Payment : requests.Cause;
        yield return requests.Again;
        foreach (var putOff in requests.PutOff ?? [])
        {
            yield return putOff is PaymentRefused queued ? queued.Payment : putOff;
        }

        if (requests.AfterDeadLetters is { } rest)
        {
            foreach (var left in (IEnumerable<OrderMessage?>)[rest.WriteOrder, rest.WritePayment, rest.Settle, rest.Wait, rest.Park, .. rest.SettleAlso ?? []])
            {
                yield return left;
            }
        }
    }
}
