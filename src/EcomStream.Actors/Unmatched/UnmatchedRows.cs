using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Unmatched rows as messages, and messages as unmatched rows.</summary>
internal static class UnmatchedRows
{
    /// <summary>The payment of a row; null when its data is not a payment, which only another program can have written.</summary>
    public static PaymentReceived? Decode(UnmatchedPayment row) =>
        PaymentCodec.TryDecode(row.Data.Span, out var payment, out _)
            ? new PaymentReceived(payment with { OrderId = row.OrderId }, row.Stamp, Source(row), row.PaymentKey)
            : null;

    /// <summary>The message that a row keeps.</summary>
    public static StoredDelivery Source(UnmatchedPayment row) =>
        new(row.Data, row.MessageId, row.PublishTimeMicros, row.Subscription, MessageAttributes.Of(row.AttributesJson))
        {
            OrderingKey = MessageAttributes.OrderingKeyOf(row.AttributesJson),
        };

    /// <summary>Compares a message with the one that its row keeps; equal stamps are resolved as in <see cref="OrderState"/>.</summary>
    /// <returns>Greater than 0 when the message is newer, less when the row's is, 0 when they are the same.</returns>
    public static int Compare(PaymentReceived message, UnmatchedPayment row)
    {
        if (message.Stamp != row.Stamp)
        {
            return message.Stamp.CompareTo(row.Stamp);
        }

        // An operator may have corrected the data in the row.
        if (row.MessageId.Length > 0 && row.MessageId == message.Delivery.MessageId && row.Subscription == message.Delivery.Subscription)
        {
            return 0;
        }

        return Decode(row) is not { } kept ? 1
            : OrderState.IsNewer(message, kept) ? 1
            : OrderState.IsNewer(kept, message) ? -1
            : 0;
    }

    /// <summary>A new row for a payment.</summary>
    public static UnmatchedPayment Encode(PaymentReceived payment, DeadLetterReason reason, UnmatchedState state, long nowMicros, string detail = "") =>
        Encode(payment.Delivery, payment.Replay, payment.OrderId, payment.Key, reason, nowMicros, detail).Become(state, nowMicros, detail);

    /// <summary>A new row for a message that cannot be joined.</summary>
    public static UnmatchedPayment Encode(DeadLetterMessage deadLetter, long nowMicros) =>
        Encode(deadLetter.Delivery, deadLetter.Replay, deadLetter.RowOrderId, deadLetter.RowId, deadLetter.Reason, nowMicros, deadLetter.Detail);

    /// <summary>This row with the message of another one.</summary>
    public static UnmatchedPayment WithMessageOf(this UnmatchedPayment row, UnmatchedPayment other) => row with
    {
        Data = other.Data,
        AttributesJson = other.AttributesJson,
        MessageId = other.MessageId,
        PublishTimeMicros = other.PublishTimeMicros,
        Subscription = other.Subscription,
    };

    private static UnmatchedPayment Encode(
        Delivery delivery, Replay? replay, long orderId, string key, DeadLetterReason reason, long nowMicros, string detail) => new()
    {
        OrderId = orderId,
        PaymentKey = key,
        Data = delivery.Data,
        AttributesJson = MessageAttributes.ToJson(replay is null ? delivery.Attributes : WithoutReplay(delivery.Attributes), delivery.OrderingKey),
        PublishTimeMicros = delivery.PublishTimeMicros,
        MessageId = delivery.MessageId,
        Subscription = delivery.Subscription,
        Reason = reason,
        State = UnmatchedState.Waiting,
        SinceMicros = nowMicros,
        ChangedMicros = nowMicros,
        Detail = detail,
        Replays = replay?.Count ?? 0,
    };

    private static Dictionary<string, string> WithoutReplay(IReadOnlyDictionary<string, string> attributes) =>
        attributes.Where(a => a.Key is not (DeadLetter.Id or DeadLetter.Replays)).ToDictionary();
}
