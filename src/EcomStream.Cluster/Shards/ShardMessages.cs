using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>Messages as they travel to a shard, and back to what an order's actor receives.</summary>
internal static class ShardMessages
{
    /// <summary>The delivery as its node has received it: of a dead letter the dead letter itself.</summary>
    public static Delivery Received(OrderMessage message) =>
        message.Delivery is DeadLetterDelivery deadLetter ? deadLetter.DeadLetter : message.Delivery;

    /// <summary>What a message is.</summary>
    public static MessageKind KindOf(OrderMessage message) => message switch
    {
        { Delivery: DeadLetterDelivery } => MessageKind.DeadLetter,
        OrderReceived => MessageKind.Order,
        _ => MessageKind.Payment,
    };

    /// <summary>A delivery as it travels.</summary>
    public static RawMessage Raw(Delivery delivery) =>
        new(delivery.Data, delivery.Attributes, delivery.MessageId, delivery.PublishTimeMicros, delivery.OrderingKey);

    /// <summary>The messages of a batch, with deliveries that report to the node that has received them.</summary>
    /// <remarks>What cannot be decoded here, because a node of another version could decode it, is given back.</remarks>
    public static IReadOnlyList<OrderMessage> Open(ShardDelivery batch, Settlements settlements)
    {
        var count = batch.Decoded?.Count ?? batch.Raw!.Count;
        var messages = new List<OrderMessage>(count);
        for (var i = 0; i < count; i++)
        {
            var id = DeliveryId.Of(batch.Batch, i);
            if (batch.Decoded is { } decoded)
            {
                var received = Received(decoded[i]);
                var raw = Raw(received);
                messages.Add(WithDelivery(decoded[i], Delivery(raw, batch.Subscription, settlements, id, received.Trace)));
            }
            else
            {
                var delivery = Delivery(batch.Raw![i], batch.Subscription, settlements, id, null);
                if (Decode(batch.Kind, delivery) is { } message)
                {
                    messages.Add(message);
                }
                else
                {
                    delivery.Nack();
                }
            }
        }

        return messages;
    }

    private static ShardedDelivery Delivery(
        in RawMessage raw, string subscription, Settlements settlements, long id, System.Diagnostics.Activity? trace) =>
        new(raw, subscription, settlements, id, trace) { OrderingKey = raw.OrderingKey };

    private static OrderMessage WithDelivery(OrderMessage message, ShardedDelivery delivery) => message switch
    {
        OrderReceived order => new OrderReceived(order.Order, order.Stamp, delivery),
        PaymentReceived { Delivery: DeadLetterDelivery } payment => new PaymentReceived(payment.Payment, payment.Stamp, new DeadLetterDelivery(delivery)),
        PaymentReceived payment => new PaymentReceived(payment.Payment, payment.Stamp, delivery),
        _ => throw new ArgumentException($"Unexpected message {message.GetType()}", nameof(message)),
    };

    private static OrderMessage? Decode(MessageKind kind, ShardedDelivery delivery)
    {
        if (kind == MessageKind.Order)
        {
            return OrderCodec.TryDecode(delivery.Data.Span, out var order, out _, out _)
                ? new OrderReceived(order, Stamp.Of(delivery.PublishTimeMicros, delivery.MessageId), delivery)
                : null;
        }

        if (!PaymentCodec.TryDecode(delivery.Data.Span, out var payment, out _, out _))
        {
            return null;
        }

        Delivery source = kind == MessageKind.DeadLetter ? new DeadLetterDelivery(delivery) : delivery;
        return new PaymentReceived(payment, Stamp.Of(source.PublishTimeMicros, source.MessageId), source);
    }
}
