namespace EcomStream.Core;

/// <summary>One row of <c>orders_payments_facts</c>, with the stamps of the messages that set its two sides.</summary>
/// <param name="OrderId">The row's key.</param>
/// <param name="Order">The order columns; null while no order message has been written.</param>
/// <param name="OrderStamp">Stamp of the message that set the order columns; <see cref="Stamp.None"/> without one.</param>
/// <param name="Payment">The payment columns; null while no payment message has been written.</param>
/// <param name="PaymentStamp">Stamp of the message that set the payment columns; <see cref="Stamp.None"/> without one.</param>
public sealed record OrderFact(long OrderId, Order? Order, Stamp OrderStamp, Payment? Payment, Stamp PaymentStamp)
{
    /// <summary>
    /// The largest write timestamp of the payment columns other than <c>payment_id</c>; <see cref="Stamp.None"/> in
    /// stores whose stamps are per row. See <see cref="FactWrite.PaymentDetailStamp"/>.
    /// </summary>
    public Stamp PaymentDetailStamp { get; init; } = Stamp.None;
}
