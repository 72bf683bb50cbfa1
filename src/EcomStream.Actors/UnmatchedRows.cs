using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Unmatched rows as messages, and messages as unmatched rows.</summary>
internal static class UnmatchedRows
{
    /// <summary>The payment of a row; null when its data is no payment any more, which only another writer can bring about.</summary>
    public static PaymentReceived? Decode(UnmatchedPayment row) =>
        PaymentCodec.TryDecode(row.Data.Span, out var payment, out _)
            ? new PaymentReceived(
                payment with { OrderId = row.OrderId },
                row.Stamp,
                new StoredDelivery(row.Data, row.MessageId, row.PublishTimeMicros, row.Subscription))
            : null;

    /// <summary>A new row for a payment.</summary>
    public static UnmatchedPayment Encode(PaymentReceived payment, DeadLetterReason reason, UnmatchedState state, long nowMicros) => new()
    {
        OrderId = payment.OrderId,
        PaymentKey = payment.Payment.Key,
        Data = payment.Delivery.Data,
        PublishTimeMicros = payment.Delivery.PublishTimeMicros,
        MessageId = payment.Delivery.MessageId,
        Subscription = payment.Delivery.Subscription,
        Reason = reason,
        State = state,
        SinceMicros = nowMicros,
        ChangedMicros = nowMicros,
    };
}
