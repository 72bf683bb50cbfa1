using System.Collections.Immutable;
using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What the actor of a live order knows, for operators.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="OrderSide">What is known of the order columns.</param>
/// <param name="PaymentSide">What is known of the payment columns.</param>
/// <param name="OrderStamp">Stamp of the newest order message; meaningless unless the order side is present.</param>
/// <param name="PaymentKey"><see cref="Payment.Key"/> of the newest payment; null when none is known or it has no id.</param>
/// <param name="Waiting">Payments that wait for the order in memory.</param>
/// <param name="HasMoreRows">Whether the order may have unmatched rows that are not in memory.</param>
/// <param name="IsBusy">Whether it waits for a read of the store, or for dead letters to become durable.</param>
public sealed record OrderSnapshot(
    long OrderId,
    OrderSide OrderSide,
    PaymentSide PaymentSide,
    Stamp OrderStamp,
    string? PaymentKey,
    ImmutableArray<WaitingPayment> Waiting,
    bool HasMoreRows,
    bool IsBusy);

/// <summary>Asks for an <see cref="OrderSnapshot"/>, from the pipeline by way of the order's supervisor to its actor.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="ReplyTo">Receives an <see cref="OrderInspected"/>.</param>
internal sealed record InspectOrder(long OrderId, IActorRef ReplyTo) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>Answers <see cref="InspectOrder"/>.</summary>
/// <param name="Snapshot">What the actor knows; null when the order has none.</param>
internal sealed record OrderInspected(OrderSnapshot? Snapshot) : INoSerializationVerificationNeeded;
