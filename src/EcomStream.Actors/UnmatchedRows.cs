using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Unmatched rows as messages, and messages as unmatched rows.</summary>
internal static class UnmatchedRows
{
    /// <summary>The payment of a row; null when its data is no payment any more, which only another writer can bring about.</summary>
    public static PaymentReceived? Decode(UnmatchedPayment row) =>
        PaymentCodec.TryDecode(row.Data.Span, out var payment, out _)
            ? new PaymentReceived(payment with { OrderId = row.OrderId }, row.Stamp, Source(row))
            : null;

    /// <summary>The message that a row keeps.</summary>
    public static StoredDelivery Source(UnmatchedPayment row) =>
        new(row.Data, row.MessageId, row.PublishTimeMicros, row.Subscription, MessageAttributes.Of(row.AttributesJson));

    /// <summary>A new row for a payment.</summary>
    public static UnmatchedPayment Encode(PaymentReceived payment, DeadLetterReason reason, UnmatchedState state, long nowMicros, string detail = "") =>
        Encode(payment.Delivery, payment.Replay, payment.OrderId, payment.Payment.Key, reason, nowMicros, detail).Become(state, nowMicros, detail);

    /// <summary>A new row for a message that is no payment of a known order; nothing has become of it yet.</summary>
    public static UnmatchedPayment Encode(DeadLetterMessage letter, long nowMicros) =>
        Encode(letter.Delivery, letter.Replay, DeadLetterId.OrderOfMessage(letter.RowId), letter.RowId, letter.Reason, nowMicros, letter.Detail);

    /// <summary>What another row says of its message and its past, for the payment of this one.</summary>
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
        AttributesJson = MessageAttributes.ToJson(replay is null ? delivery.Attributes : WithoutReplay(delivery.Attributes)),
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
