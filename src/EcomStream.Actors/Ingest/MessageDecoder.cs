using Akka.Actor;
using Akka.Event;
using EcomStream.Core;
using DeadLetter = EcomStream.Core.DeadLetter;

namespace EcomStream.Actors;

/// <summary>Decodes the deliveries of one subscription; malformed messages go to the dead letters.</summary>
internal abstract class MessageDecoder(
    string kind, string? deadLetterTopic, IActorRef unmatched, EcomStreamSettings settings, EcomStreamMetrics metrics, ILoggingAdapter log)
{
    private PayloadFields _logged;

    /// <summary>Decodes a batch. What is malformed, and whatever fails, goes to the dead letters.</summary>
    public IReadOnlyList<OrderMessage> Decode(IReadOnlyList<Delivery> deliveries)
    {
        var messages = new List<OrderMessage>(deliveries.Count);
        var done = 0;
        for (var i = 0; i < deliveries.Count; i++)
        {
            var delivery = deliveries[i];
            try
            {
                if (IsDone(delivery))
                {
                    delivery.Ack();
                    done++;
                }
                else if (TryDecode(delivery, out var unusable, out var error) is { } message && IsUsable(unusable, delivery, ref error))
                {
                    messages.Add(message);
                }
                else
                {
                    DeadLetterMalformed(delivery, error);
                }
            }
            catch (Exception failure)
            {
                log.Error(failure, "Message {MessageId} of {Subscription} could not be decoded and is dead-lettered", delivery.MessageId, delivery.Subscription);
                DeadLetterMalformed(delivery, new DecodeError(DecodeErrorKind.Unexpected, 0) { Subject = failure.Message });
            }
        }

        metrics.Received(kind, deliveries.Count, deliveries.Count - messages.Count - done);
        return messages;
    }

    /// <summary>Whether a delivery only has to be acked.</summary>
    protected virtual bool IsDone(Delivery delivery) => false;

    protected abstract OrderMessage? TryDecode(Delivery delivery, out PayloadFields unusable, out DecodeError error);

    private bool IsUsable(PayloadFields unusable, Delivery delivery, ref DecodeError error)
    {
        if (unusable == PayloadFields.None)
        {
            return true;
        }

        foreach (var field in PayloadFieldNames.Of(unusable))
        {
            metrics.Unusable(field);
        }

        if ((unusable & ~_logged) != 0)
        {
            var fields = string.Join(", ", PayloadFieldNames.Of(unusable & ~_logged));
            _logged |= unusable;
            log.Warning(
                "Message {MessageId} of {Subscription} has values in {Fields} that cannot be used; {Consequence}. Further ones are counted in ecomstream.fields.unusable",
                delivery.MessageId, delivery.Subscription, fields, settings.RejectUnusableFields ? "it is dead-lettered as malformed" : "they are stored as null");
        }

        if (settings.RejectUnusableFields)
        {
            error = new DecodeError(DecodeErrorKind.UnusableField, 0) { Subject = string.Join(", ", PayloadFieldNames.Of(unusable)) };
            return false;
        }

        return true;
    }

    private void DeadLetterMalformed(Delivery delivery, DecodeError error) =>
        unmatched.Tell(
            new DeadLetterMessage(delivery, deadLetterTopic, DeadLetterReason.Malformed, error.ToString(), OrderId: null, PaymentId: null),
            ActorRefs.NoSender);
}

/// <summary>Decodes orders.</summary>
internal sealed class OrderDecoder(IActorRef unmatched, EcomStreamSettings settings, EcomStreamMetrics metrics, ILoggingAdapter log)
    : MessageDecoder("order", settings.OrdersDeadLetterTopic, unmatched, settings, metrics, log)
{
    protected override OrderMessage? TryDecode(Delivery delivery, out PayloadFields unusable, out DecodeError error) =>
        OrderCodec.TryDecode(delivery.Data.Span, out var order, out unusable, out error)
            ? new OrderReceived(order, Stamp.Of(delivery.PublishTimeMicros, delivery.MessageId), delivery)
            : null;
}

/// <summary>Decodes payments.</summary>
internal sealed class PaymentDecoder(IActorRef unmatched, EcomStreamSettings settings, EcomStreamMetrics metrics, ILoggingAdapter log)
    : MessageDecoder("payment", settings.PaymentsDeadLetterTopic, unmatched, settings, metrics, log)
{
    protected override OrderMessage? TryDecode(Delivery delivery, out PayloadFields unusable, out DecodeError error) =>
        PaymentCodec.TryDecode(delivery.Data.Span, out var payment, out unusable, out error)
            ? new PaymentReceived(payment, Stamp.Of(delivery.PublishTimeMicros, delivery.MessageId), delivery)
            : null;
}

/// <summary>
/// Decodes payments that were dead-lettered because they had no order, as the messages that they were; the other dead
/// letters are for people, and acked.
/// </summary>
internal sealed class DeadLetterDecoder(IActorRef unmatched, EcomStreamSettings settings, EcomStreamMetrics metrics, ILoggingAdapter log)
    : MessageDecoder("dead-letter", deadLetterTopic: null, unmatched, settings, metrics, log)
{
    private static readonly string _noMatchingOrder = DeadLetterReason.NoMatchingOrder.ToAttribute();

    protected override bool IsDone(Delivery delivery) =>
        delivery.Attributes.TryGetValue(DeadLetter.Reason, out var reason) && reason != _noMatchingOrder;

    protected override OrderMessage? TryDecode(Delivery delivery, out PayloadFields unusable, out DecodeError error)
    {
        if (!PaymentCodec.TryDecode(delivery.Data.Span, out var payment, out unusable, out error))
        {
            return null;
        }

        var source = new DeadLetterDelivery(delivery);
        return new PaymentReceived(payment, Stamp.Of(source.PublishTimeMicros, source.MessageId), source);
    }
}
