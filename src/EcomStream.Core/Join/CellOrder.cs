using System.Buffers.Binary;
using System.Text;

namespace EcomStream.Core;

/// <summary>
/// Which of two columns with equal stamps remains, by Cassandra's rule for cells with equal write timestamps: null wins
/// over a value, otherwise the larger value in unsigned byte order of its serialization
/// (org.apache.cassandra.db.rows.Cells). Of an order or a payment without any value, the first column is a value of no
/// bytes, as Cassandra has it.
/// </summary>
public static class CellOrder
{
    /// <summary>The columns of two orders with equal stamps.</summary>
    public static Order Resolve(Order one, Order other)
    {
        var (isBare, otherIsBare) = (one == new Order { OrderId = one.OrderId }, other == new Order { OrderId = other.OrderId });
        return new Order
        {
            OrderId = one.OrderId,
            CustomerId = Larger(Bytes(one.CustomerId, isBare), Bytes(other.CustomerId, otherIsBare)) ? one.CustomerId : other.CustomerId,
            Item = Larger(Bytes(one.Item), Bytes(other.Item)) ? one.Item : other.Item,
            Quantity = Larger(Bytes(one.Quantity), Bytes(other.Quantity)) ? one.Quantity : other.Quantity,
            Price = Larger(Bytes(one.Price), Bytes(other.Price)) ? one.Price : other.Price,
            ShippingAddress = Larger(Bytes(one.ShippingAddress), Bytes(other.ShippingAddress)) ? one.ShippingAddress : other.ShippingAddress,
            OrderStatus = Larger(Bytes(one.OrderStatus), Bytes(other.OrderStatus)) ? one.OrderStatus : other.OrderStatus,
            CreationDate = Larger(Bytes(one.CreationDate), Bytes(other.CreationDate)) ? one.CreationDate : other.CreationDate,
        };
    }

    /// <summary>The columns of two payments, each with the stamp of its id and that of its other columns.</summary>
    /// <param name="one">A payment.</param>
    /// <param name="oneStamp">The write timestamp of its payment_id.</param>
    /// <param name="oneDetails">The write timestamp of its other columns.</param>
    /// <param name="other">Another payment.</param>
    /// <param name="otherStamp">The write timestamp of its payment_id.</param>
    /// <param name="otherDetails">The write timestamp of its other columns.</param>
    public static Payment Resolve(Payment one, Stamp oneStamp, Stamp oneDetails, Payment other, Stamp otherStamp, Stamp otherDetails)
    {
        var (isBare, otherIsBare) = (IsBare(one), IsBare(other));
        return new Payment
        {
            OrderId = one.OrderId,
            PaymentId = First(oneStamp, otherStamp, Bytes(one.PaymentId, isBare), Bytes(other.PaymentId, otherIsBare)) ? one.PaymentId : other.PaymentId,
            PaymentMethod = First(oneDetails, otherDetails, Bytes(one.PaymentMethod), Bytes(other.PaymentMethod)) ? one.PaymentMethod : other.PaymentMethod,
            CardLastFour = First(oneDetails, otherDetails, Bytes(one.CardLastFour), Bytes(other.CardLastFour)) ? one.CardLastFour : other.CardLastFour,
            PaymentStatus = First(oneDetails, otherDetails, Bytes(one.PaymentStatus), Bytes(other.PaymentStatus)) ? one.PaymentStatus : other.PaymentStatus,
            PaymentDatetime = First(oneDetails, otherDetails, Bytes(one.PaymentDatetime), Bytes(other.PaymentDatetime)) ? one.PaymentDatetime : other.PaymentDatetime,
        };
    }

    // The text of an id is not a column.
    private static bool IsBare(Payment payment) => payment with { PaymentIdText = null } == new Payment { OrderId = payment.OrderId };

    private static bool First(Stamp one, Stamp other, byte[]? cell, byte[]? otherCell) =>
        one != other ? one > other : Larger(cell, otherCell);

    private static bool Larger(byte[]? one, byte[]? other) =>
        one is null || (other is not null && one.AsSpan().SequenceCompareTo(other) >= 0);

    private static byte[]? Bytes(long? value, bool isBare = false)
    {
        if (value is not { } number)
        {
            return isBare ? [] : null;
        }

        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return bytes;
    }

    private static byte[]? Bytes(double? value) => value is { } number ? Bytes(BitConverter.DoubleToInt64Bits(number)) : null;

    private static byte[]? Bytes(string? value) => value is null ? null : Encoding.UTF8.GetBytes(value);
}
