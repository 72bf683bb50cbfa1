using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Write a row, then settle its messages: from an order to its <see cref="FactWriter"/>.</summary>
internal sealed class WriteFact
{
    public required long OrderId { get; init; }

    public OrderReceived? Order { get; init; }

    public PaymentReceived? Payment { get; init; }

    public bool Guarded { get; init; }

    public IReadOnlyList<PaymentReceived>? SettleAlso { get; init; }

    public IReadOnlyList<PaymentReceived>? Heal { get; init; }
}

/// <summary>Settle a message once everything accepted for its order so far is durable.</summary>
internal sealed record SettleAfterWrites(OrderMessage Message);

/// <summary>Read an order's row and unmatched rows once everything accepted for it so far is durable.</summary>
internal sealed record LoadOrder(long OrderId, IActorRef ReplyTo);

/// <summary>The answer to <see cref="LoadOrder"/>.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="Row">The row; null when there is none.</param>
/// <param name="Unmatched">The unmatched payments that the order would heal.</param>
internal sealed record OrderLoaded(long OrderId, OrderFact? Row, IReadOnlyList<PaymentReceived> Unmatched);
