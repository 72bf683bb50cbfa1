using System.Text;

namespace EcomStream.Core;

/// <summary>
/// The rule for two messages with the same <see cref="Stamp"/>, the same for the state in memory and for every store.
/// Values are compared as Cassandra compares cells with equal write timestamps (Cassandra 5.0,
/// <c>org.apache.cassandra.db.rows.Cells.reconcile</c>): null, which is a tombstone there, is greater than every value;
/// otherwise the serialized bytes are compared as unsigned numbers.
/// </summary>
/// <remarks>
/// Order columns are resolved one by one, because an order message is written without reading the row. Of two payments
/// one is chosen as a whole: the columns are compared in the order of the table, and the first difference decides.
/// </remarks>
public static class EqualStamps
{
    /// <summary>The order columns that follow from two order messages with the same stamp.</summary>
    public static Order Merge(Order left, Order right) => CellOrder.Resolve(left, right);

    /// <summary>Compares the table's columns of two payments; the greater payment sets the payment columns.</summary>
    /// <returns>Greater than 0 when <paramref name="left"/> is greater, less when it is smaller, 0 when the columns are the same.</returns>
    public static int Compare(Payment left, Payment right)
    {
        // A payment without any column is written as an empty payment_id, which every value exceeds.
        var (leftIsBlank, rightIsBlank) = (IsBlank(left), IsBlank(right));
        if (leftIsBlank || rightIsBlank)
        {
            return rightIsBlank.CompareTo(leftIsBlank);
        }

        var byId = Compare(left.PaymentId, right.PaymentId);
        var byMethod = byId != 0 ? byId : Compare(left.PaymentMethod, right.PaymentMethod);
        var byCard = byMethod != 0 ? byMethod : Compare(left.CardLastFour, right.CardLastFour);
        var byStatus = byCard != 0 ? byCard : Compare(left.PaymentStatus, right.PaymentStatus);
        return byStatus != 0 ? byStatus : Compare(left.PaymentDatetime, right.PaymentDatetime);
    }

    /// <summary>Compares two values of a bigint column.</summary>
    public static int Compare(long? left, long? right) =>
        left is { } l && right is { } r ? ((ulong)l).CompareTo((ulong)r) : (left is null).CompareTo(right is null);

    /// <summary>Compares two values of a text column.</summary>
    public static int Compare(string? left, string? right) =>
        left is not null && right is not null
            ? Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right))
            : (left is null).CompareTo(right is null);

    private static bool IsBlank(Payment payment) =>
        payment is { PaymentId: null, PaymentMethod: null, CardLastFour: null, PaymentStatus: null, PaymentDatetime: null };
}
