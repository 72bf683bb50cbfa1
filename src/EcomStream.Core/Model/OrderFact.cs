namespace EcomStream.Core;

/// <summary>One row of <c>orders_payments_facts</c>, with the stamps of the messages that set its two sides.</summary>
/// <param name="OrderId">The row's key.</param>
/// <param name="Order">The order columns; null while no order message has been written.</param>
/// <param name="OrderStamp">Stamp of the message that set the order columns; <see cref="Stamp.None"/> without one.</param>
/// <param name="Payment">The payment columns; null while no payment message has been written.</param>
/// <param name="PaymentStamp">Stamp of the message that set the payment columns; <see cref="Stamp.None"/> without one.</param>
public sealed record OrderFact(long OrderId, Order? Order, Stamp OrderStamp, Payment? Payment, Stamp PaymentStamp)
{
    // Null where it is the same: two rows are then equal whichever way they were made.
    private readonly Stamp? _paymentDetailStamp;

    /// <summary>
    /// The largest write timestamp of the payment columns other than payment_id; <see cref="PaymentStamp"/> unless two
    /// payments with equal stamps were written.
    /// </summary>
    public Stamp PaymentDetailStamp
    {
        get => _paymentDetailStamp ?? PaymentStamp;
        init => _paymentDetailStamp = value == PaymentStamp ? null : value;
    }
}
