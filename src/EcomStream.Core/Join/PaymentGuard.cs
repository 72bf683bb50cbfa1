namespace EcomStream.Core;

/// <summary>The rule by which every store refuses a guarded payment; see <see cref="FactWrite.PaymentGuarded"/>.</summary>
public static class PaymentGuard
{
    /// <summary>
    /// Whether a guarded payment may not be written without knowing the row's: the row holds a payment with another id,
    /// or one with other columns whose write timestamps are neither all older nor all newer, so that the columns of the
    /// two would be mixed.
    /// </summary>
    /// <param name="row">The row; null when there is none.</param>
    /// <param name="write">A write with a payment.</param>
    public static bool Refuses(OrderFact? row, FactWrite write)
    {
        if (!write.PaymentGuarded || write.Payment is not { } payment || row?.Payment is not { } there)
        {
            return false;
        }

        if (there.PaymentId != payment.PaymentId)
        {
            return true;
        }

        return Overlaps(row.PaymentStamp, row.PaymentDetailStamp, write) && EqualStamps.Compare(there, payment) != 0;
    }

    /// <summary>Whether a write's timestamps of the payment columns overlap those of the row.</summary>
    /// <param name="stamp">Stamp of the row's payment.</param>
    /// <param name="details">The largest write timestamp of its columns other than payment_id.</param>
    /// <param name="write">A write with a payment.</param>
    public static bool Overlaps(Stamp stamp, Stamp details, FactWrite write) =>
        write.PaymentStamp <= details && (write.PaymentDetailStamp ?? write.PaymentStamp) >= stamp;
}
