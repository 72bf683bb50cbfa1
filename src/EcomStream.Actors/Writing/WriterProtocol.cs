using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Write a row, then settle its messages: from an order to its <see cref="FactWriter"/>.</summary>
internal sealed class WriteFact : IOrderMessage, INoSerializationVerificationNeeded
{
    public required long OrderId { get; init; }

    public OrderReceived? Order { get; init; }

    public PaymentReceived? Payment { get; init; }

    public Stamp? PaymentDetailStamp { get; init; }

    public bool Guarded { get; init; }

    public IReadOnlyList<PaymentReceived>? SettleAlso { get; init; }

    public IReadOnlyList<PaymentReceived>? Heal { get; init; }
}

/// <summary>Settle a message once everything accepted for its order so far is durable.</summary>
internal sealed record SettleAfterWrites(OrderMessage Message) : IOrderMessage, INoSerializationVerificationNeeded
{
    public long OrderId => Message.OrderId;
}

/// <summary>Read an order's row and unmatched rows once everything accepted for it so far is durable.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Correlation">Comes back in <see cref="OrderLoaded"/>.</param>
/// <param name="ReplyTo">The order's actor.</param>
internal sealed record LoadOrder(long OrderId, long Correlation, IActorRef ReplyTo) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>The answer to <see cref="LoadOrder"/>.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Correlation">That of the request.</param>
/// <param name="Row">The row; null when there is none.</param>
/// <param name="Unmatched">The unmatched payments that the order would heal, at most <see cref="UnmatchedWriter.UnjoinedLimit"/>.</param>
/// <param name="HasMore">Whether there may be more of them.</param>
internal sealed record OrderLoaded(long OrderId, long Correlation, OrderFact? Row, IReadOnlyList<UnmatchedMessage> Unmatched, bool HasMore)
    : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>A guarded payment met another one in its row: to the supervisor, on to the order.</summary>
internal sealed record PaymentRefused(PaymentReceived Payment) : IOrderMessage, INoSerializationVerificationNeeded
{
    public long OrderId => Payment.OrderId;
}

/// <summary>
/// The store rejected a write of the order, whose messages are dead-lettered: to the supervisor, on to the order. What
/// the order's actor takes for written is not in the row.
/// </summary>
/// <param name="OrderId">The order.</param>
/// <param name="ReplyTo">The writer, which receives <see cref="RejectionKnown"/>.</param>
internal sealed record WriteRejected(long OrderId, IActorRef ReplyTo) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>The answer to <see cref="WriteRejected"/>: what the order sends from now on is decided without the rejected write.</summary>
internal sealed record RejectionKnown(long OrderId) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>Asks for <see cref="WriterDrained"/> once every write has become durable or has failed at least once since.</summary>
internal sealed class DrainWriter : INoSerializationVerificationNeeded
{
    public static readonly DrainWriter Instance = new();
}

/// <summary>The answer to <see cref="DrainWriter"/>.</summary>
internal sealed class WriterDrained : INoSerializationVerificationNeeded
{
    public static readonly WriterDrained Instance = new();
}
