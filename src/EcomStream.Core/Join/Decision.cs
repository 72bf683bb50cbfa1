namespace EcomStream.Core;

/// <summary>A payment that is to be dead-lettered, and why.</summary>
/// <param name="Payment">The payment, with the delivery that is settled once the dead letter is durable.</param>
/// <param name="Reason">Why.</param>
public sealed record DeadLetterPayment(PaymentReceived Payment, DeadLetterReason Reason);

/// <summary>
/// What <see cref="OrderState"/> decided. It is carried out in this order: the dead letters, and only when they are
/// durable the write (so that a crash in between loses no payment), then the messages to settle.
/// </summary>
public readonly record struct Decision
{
    /// <summary>Nothing to do.</summary>
    public static Decision Nothing => default;

    /// <summary>Write the order columns from this message, then settle it.</summary>
    public OrderReceived? WriteOrder { get; init; }

    /// <summary>Write the payment columns from this message, then settle it.</summary>
    public PaymentReceived? WritePayment { get; init; }

    /// <summary>
    /// Write timestamp of the payment columns other than <c>payment_id</c>; null for the stamp of
    /// <see cref="WritePayment"/>. See <see cref="FactWrite.PaymentDetailStamp"/>.
    /// </summary>
    public Stamp? PaymentDetailStamp { get; init; }

    /// <summary>
    /// The payment columns of the row are not known: write <see cref="WritePayment"/> only if the row has no other
    /// one, and come back with <see cref="OrderState.Refused"/> if it has.
    /// </summary>
    public bool Guarded { get; init; }

    /// <summary>
    /// Settle this message once everything written for the order so far is durable: it adds nothing to what is known.
    /// </summary>
    public OrderMessage? Settle { get; init; }

    /// <summary>Read the row and the unmatched rows, then call <see cref="OrderState.Loaded"/> and repeat the message.</summary>
    public bool Load { get; init; }

    /// <summary>This payment has to wait for its order.</summary>
    public PaymentReceived? Wait { get; init; }

    /// <summary>
    /// Write the unmatched row of this payment at once and settle it: too many payments of the order wait in memory.
    /// </summary>
    public PaymentReceived? Park { get; init; }

    /// <summary>These payments are dead-lettered; null for none.</summary>
    public IReadOnlyList<DeadLetterPayment>? DeadLetters { get; init; }

    /// <summary>These payments have unmatched rows that are healed once the write is durable; null for none.</summary>
    public IReadOnlyList<PaymentReceived>? Heal { get; init; }

    /// <summary>These messages are settled along with the write: older messages of a payment that is written; null for none.</summary>
    public IReadOnlyList<PaymentReceived>? SettleAlso { get; init; }
}
