namespace EcomStream.Core;

/// <summary>
/// The write of one row: either side may be left out, and a side that is left out is not touched. A side is written only
/// where its stamp is not older than the one in the row, so repeating a write changes nothing; equal stamps are resolved
/// by <see cref="EqualStamps"/>.
/// </summary>
public sealed record FactWrite
{
    /// <summary>The row's key.</summary>
    public required long OrderId { get; init; }

    /// <summary>The order columns, or null to leave them.</summary>
    public Order? Order { get; init; }

    /// <summary>Stamp of the order columns; meaningless without <see cref="Order"/>.</summary>
    public Stamp OrderStamp { get; init; }

    /// <summary>The payment columns, or null to leave them.</summary>
    public Payment? Payment { get; init; }

    /// <summary>Stamp of the payment columns; meaningless without <see cref="Payment"/>.</summary>
    public Stamp PaymentStamp { get; init; }

    /// <summary>
    /// Write timestamp of the payment columns other than <c>payment_id</c>; null for <see cref="PaymentStamp"/>. A store
    /// whose write timestamps are per column needs it where a payment replaces another one with the same stamp.
    /// </summary>
    public Stamp? PaymentDetailStamp { get; init; }

    /// <summary>
    /// When true, the payment is written only if the row holds no payment, or one with the same payment id whose stamp
    /// differs or whose columns are the same (<see cref="PaymentGuard"/>). Otherwise the payment columns stay as they are and
    /// the order's id is returned by <see cref="IFactStore.WriteAsync"/>; the order columns of the same write are written all
    /// the same.
    /// </summary>
    public bool PaymentGuarded { get; init; }
}
