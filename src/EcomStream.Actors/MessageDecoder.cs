using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Decodes the deliveries of one subscription; what is malformed goes to the dead-letter sink.</summary>
internal abstract class MessageDecoder(string kind, string? deadLetterTopic, IActorRef sink, EcomStreamMetrics metrics)
{
    public IReadOnlyList<OrderMessage> Decode(IReadOnlyList<Delivery> deliveries)
    {
        var messages = new List<OrderMessage>(deliveries.Count);
        var done = 0;
        for (var i = 0; i < deliveries.Count; i++)
        {
            var delivery = deliveries[i];
            if (IsDone(delivery))
            {
                delivery.Ack();
                done++;
            }
            else if (TryDecode(delivery, out var error) is { } message)
            {
                messages.Add(message);
            }
            else
            {
                sink.Tell(
                    new DeadLetterMessage(delivery, deadLetterTopic, DeadLetterReason.Malformed, error.ToString(), OrderId: null, PaymentId: null),
                    ActorRefs.NoSender);
            }
        }

        metrics.Received(kind, deliveries.Count, deliveries.Count - messages.Count - done);
        return messages;
    }

    /// <summary>Whether there is nothing to do about a delivery but to ack it.</summary>
    protected virtual bool IsDone(Delivery delivery) => false;

    protected abstract OrderMessage? TryDecode(Delivery delivery, out DecodeError error);
}

/// <summary>Decodes orders.</summary>
internal sealed class OrderDecoder(EcomStreamSettings settings, IActorRef sink, EcomStreamMetrics metrics)
    : MessageDecoder("order", settings.OrdersDeadLetterTopic, sink, metrics)
{
    protected override OrderMessage? TryDecode(Delivery delivery, out DecodeError error) =>
        OrderCodec.TryDecode(delivery.Data.Span, out var order, out error)
            ? new OrderReceived(order, Stamp.Of(delivery.PublishTimeMicros, delivery.MessageId), delivery)
            : null;
}

/// <summary>Decodes payments.</summary>
internal sealed class PaymentDecoder(EcomStreamSettings settings, IActorRef sink, EcomStreamMetrics metrics)
    : MessageDecoder("payment", settings.PaymentsDeadLetterTopic, sink, metrics)
{
    protected override OrderMessage? TryDecode(Delivery delivery, out DecodeError error) =>
        PaymentCodec.TryDecode(delivery.Data.Span, out var payment, out error)
            ? new PaymentReceived(payment, Stamp.Of(delivery.PublishTimeMicros, delivery.MessageId), delivery)
            : null;
}

/// <summary>
/// Decodes payments that were dead-lettered for want of an order, as what they were before; the other dead letters
/// are for people, and acked.
/// </summary>
internal sealed class DeadLetterDecoder(IActorRef sink, EcomStreamMetrics metrics)
    : MessageDecoder("dead-letter", deadLetterTopic: null, sink, metrics)
{
    private static readonly string _noMatchingOrder = DeadLetterReason.NoMatchingOrder.ToAttribute();

    protected override bool IsDone(Delivery delivery) =>
        delivery.Attributes.TryGetValue(DeadLetter.Reason, out var reason) && reason != _noMatchingOrder;

    protected override OrderMessage? TryDecode(Delivery delivery, out DecodeError error)
    {
        if (!PaymentCodec.TryDecode(delivery.Data.Span, out var payment, out error))
        {
            return null;
        }

        var source = new DeadLetterDelivery(delivery);
        return new PaymentReceived(payment, Stamp.Of(source.PublishTimeMicros, source.MessageId), source);
    }
}
