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
    public static Order Merge(Order left, Order right) => new()
    {
        OrderId = left.OrderId,
        CustomerId = Greater(left.CustomerId, IsBlank(left), right.CustomerId, IsBlank(right)),
        Item = Compare(left.Item, right.Item) >= 0 ? left.Item : right.Item,
        Quantity = Compare(left.Quantity, right.Quantity) >= 0 ? left.Quantity : right.Quantity,
        Price = Compare(left.Price, right.Price) >= 0 ? left.Price : right.Price,
        ShippingAddress = Compare(left.ShippingAddress, right.ShippingAddress) >= 0 ? left.ShippingAddress : right.ShippingAddress,
        OrderStatus = Compare(left.OrderStatus, right.OrderStatus) >= 0 ? left.OrderStatus : right.OrderStatus,
        CreationDate = Compare(left.CreationDate, right.CreationDate) >= 0 ? left.CreationDate : right.CreationDate,
    };

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

    /// <summary>Compares two values of a double column.</summary>
    public static int Compare(double? left, double? right) => Compare(Bits(left), Bits(right));

    /// <summary>Compares two values of a text column.</summary>
    public static int Compare(string? left, string? right) =>
        left is not null && right is not null
            ? Encoding.UTF8.GetBytes(left).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(right))
            : (left is null).CompareTo(right is null);

    private static long? Bits(double? value) => value is { } v ? BitConverter.DoubleToInt64Bits(v) : null;

    // An order without any column is written as an empty customer_id, which every value exceeds.
    private static long? Greater(long? left, bool leftIsBlank, long? right, bool rightIsBlank) =>
        leftIsBlank ? right : rightIsBlank ? left : Compare(left, right) >= 0 ? left : right;

    private static bool IsBlank(Order order) =>
        order is { CustomerId: null, Item: null, Quantity: null, Price: null, ShippingAddress: null, OrderStatus: null, CreationDate: null };

    private static bool IsBlank(Payment payment) =>
        payment is { PaymentId: null, PaymentMethod: null, CardLastFour: null, PaymentStatus: null, PaymentDatetime: null };
}
