using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Decodes the deliveries of one subscription; what is malformed goes to the dead-letter sink.</summary>
internal abstract class MessageDecoder(string kind, string deadLetterTopic, IActorRef sink, EcomStreamMetrics metrics)
{
    public IReadOnlyList<OrderMessage> Decode(IReadOnlyList<Delivery> deliveries)
    {
        var messages = new List<OrderMessage>(deliveries.Count);
        for (var i = 0; i < deliveries.Count; i++)
        {
            var delivery = deliveries[i];
            if (TryDecode(delivery, out var error) is { } message)
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

        metrics.Received(kind, deliveries.Count, deliveries.Count - messages.Count);
        return messages;
    }

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
