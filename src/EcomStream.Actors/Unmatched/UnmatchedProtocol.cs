using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What the <see cref="UnmatchedWriter"/> does to the unmatched rows of one order.</summary>
internal abstract record UnmatchedCommand : INoSerializationVerificationNeeded
{
    /// <summary>The order id in the key of the rows: commands with the same one are carried out in their order.</summary>
    public abstract long RowOrderId { get; }

    /// <summary>The payment keys of the rows that it concerns.</summary>
    public abstract IEnumerable<string> PaymentKeys { get; }

    /// <summary>Whether it may take a row out of those that an order would heal.</summary>
    public virtual bool MayEndWaiting => false;
}

/// <summary>Write rows for payments that wait, then settle their messages: from an order, by way of its supervisor.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Payments">The payments.</param>
/// <param name="Correlation">Comes back in <see cref="PaymentsParked"/>.</param>
/// <param name="ReplyTo">The order's actor.</param>
internal sealed record ParkPayments(long OrderId, IReadOnlyList<PaymentReceived> Payments, long Correlation, IActorRef ReplyTo)
    : UnmatchedCommand, IOrderMessage
{
    public override long RowOrderId => OrderId;

    public override IEnumerable<string> PaymentKeys => Payments.Select(p => p.Key);
}

/// <summary>The answer to <see cref="ParkPayments"/>, when the rows are durable.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Correlation">That of the command.</param>
/// <param name="NotWaiting">Those whose rows say that they do not wait, because they were dead-lettered or discarded before; null for none.</param>
internal sealed record PaymentsParked(long OrderId, long Correlation, IReadOnlyList<PaymentReceived>? NotWaiting = null)
    : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>
/// Look up whether an operator has discarded a payment. If so, its message is acked; if not, <see cref="PaymentChecked"/> is
/// the answer. From a supervisor.
/// </summary>
/// <param name="Payment">The payment.</param>
/// <param name="ReplyTo">The supervisor.</param>
internal sealed record CheckDiscarded(PaymentReceived Payment, IActorRef ReplyTo) : UnmatchedCommand
{
    public override long RowOrderId => Payment.OrderId;

    public override IEnumerable<string> PaymentKeys => [Payment.Key];
}

/// <summary>The answer to <see cref="CheckDiscarded"/>: the payment has not been discarded.</summary>
/// <param name="Payment">The payment.</param>
internal sealed record PaymentChecked(PaymentReceived Payment) : INoSerializationVerificationNeeded;

/// <summary>Dead-letter payments, then settle their messages: from an order, by way of its supervisor.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Payments">The payments, with the reasons.</param>
/// <param name="Correlation">Comes back in <see cref="PaymentsDeadLettered"/>.</param>
/// <param name="ReplyTo">The order's actor.</param>
internal sealed record DeadLetterPayments(long OrderId, IReadOnlyList<DeadLetterPayment> Payments, long Correlation, IActorRef ReplyTo)
    : UnmatchedCommand, IOrderMessage
{
    public override long RowOrderId => OrderId;

    public override IEnumerable<string> PaymentKeys => Payments.Select(p => p.Payment.Key);

    public override bool MayEndWaiting => true;
}

/// <summary>The answer to <see cref="DeadLetterPayments"/>, when the dead letters are durable.</summary>
internal sealed record PaymentsDeadLettered(long OrderId, long Correlation) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>The rows of these payments of one order are healed: from a writer, when their fact is durable.</summary>
internal sealed record HealPayments(long OrderId, IReadOnlyList<PaymentReceived> Payments) : UnmatchedCommand
{
    public override long RowOrderId => OrderId;

    public override IEnumerable<string> PaymentKeys => Payments.Select(p => p.Key);

    public override bool MayEndWaiting => true;
}

/// <summary>
/// A replayed payment is in its order's row, or a newer message of the same payment is: from a writer. The payment is acked
/// when the row of its dead letter is durable.
/// </summary>
internal sealed record HealReplayedPayment(PaymentReceived Payment) : UnmatchedCommand
{
    public override long RowOrderId => Payment.OrderId;

    public override IEnumerable<string> PaymentKeys => [Payment.Key];

    public override bool MayEndWaiting => true;
}

/// <summary>
/// A message that was dead-lettered as such has been replayed, and what it caused is durable. The replay is acked when the row
/// of the dead letter is durable.
/// </summary>
/// <param name="RowKey">The key of that row.</param>
/// <param name="Delivery">The replay.</param>
internal sealed record HealReplayedMessage((long OrderId, string PaymentKey) RowKey, Delivery Delivery) : UnmatchedCommand
{
    public override long RowOrderId => RowKey.OrderId;

    public override IEnumerable<string> PaymentKeys => [RowKey.PaymentKey];

    /// <summary>The command for a message, when it is a replay of a message's dead letter; otherwise null.</summary>
    public static HealReplayedMessage? For(OrderMessage message) =>
        message.Replay is { } replay && DeadLetterId.NamesMessage(replay.Id) && DeadLetterId.TryGetRowKey(replay.Id, out var key)
            ? new HealReplayedMessage(key, message.Delivery)
            : null;
}

/// <summary>The index may be wrong about an order: from the sweeper.</summary>
internal sealed record RefreshIndex(long OrderId) : UnmatchedCommand
{
    public override long RowOrderId => OrderId;

    public override IEnumerable<string> PaymentKeys => [];

    public override bool MayEndWaiting => true;
}

/// <summary>
/// Dead-letter a message as it came, write its row, then settle it: malformed, or rejected by the store. Without a
/// topic, because it comes from there, only its row is written.
/// </summary>
internal sealed record DeadLetterMessage(
    Delivery Delivery, string? Topic, DeadLetterReason Reason, string Detail, long? OrderId, string? PaymentId) : UnmatchedCommand
{
    /// <summary>The dead letter that it is a replay of; null for an ordinary message.</summary>
    public Replay? Replay { get; } = DeadLetter.ReplayOf(Delivery.Attributes);

    /// <summary>Id of the dead letter: that of the one that it is a replay of, where that was a message too.</summary>
    public string RowId => Replay is { } replay && DeadLetterId.NamesMessage(replay.Id)
        ? replay.Id
        : DeadLetterId.OfMessage(Delivery.Subscription, Delivery.MessageId);

    public override long RowOrderId => DeadLetterId.OrderOfMessage(RowId);

    public override IEnumerable<string> PaymentKeys => [RowId];
}

/// <summary>
/// Asks for <see cref="UnmatchedDrained"/> once every command before it has been carried out or has failed at least once
/// since.
/// </summary>
internal sealed class DrainUnmatched : INoSerializationVerificationNeeded
{
    public static readonly DrainUnmatched Instance = new();
}

/// <summary>The answer to <see cref="DrainUnmatched"/>.</summary>
internal sealed class UnmatchedDrained : INoSerializationVerificationNeeded
{
    public static readonly UnmatchedDrained Instance = new();
}

/// <summary>Look at an order's waiting payments again: from the sweeper to the supervisor, on to the order.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="WatermarkMicros">The watermark of the orders, microseconds since the Unix epoch.</param>
/// <param name="ReplyTo">Receives <see cref="OrderRechecked"/>.</param>
internal sealed record RecheckOrder(long OrderId, long WatermarkMicros, IActorRef ReplyTo) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>The answer to <see cref="RecheckOrder"/>, when what follows from it is durable.</summary>
internal sealed record OrderRechecked(long OrderId) : IOrderMessage, INoSerializationVerificationNeeded;
