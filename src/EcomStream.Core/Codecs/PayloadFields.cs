namespace EcomStream.Core;

/// <summary>Optional fields of a message, as a set.</summary>
[Flags]
public enum PayloadFields
{
    /// <summary>No field.</summary>
    None = 0,

    /// <summary><c>customer_id</c> of an order.</summary>
    CustomerId = 1 << 0,

    /// <summary><c>item</c> of an order.</summary>
    Item = 1 << 1,

    /// <summary><c>quantity</c> of an order.</summary>
    Quantity = 1 << 2,

    /// <summary><c>price</c> of an order.</summary>
    Price = 1 << 3,

    /// <summary><c>shipping_address</c> of an order.</summary>
    ShippingAddress = 1 << 4,

    /// <summary><c>order_status</c> of an order.</summary>
    OrderStatus = 1 << 5,

    /// <summary><c>creation_date</c> of an order.</summary>
    CreationDate = 1 << 6,

    /// <summary><c>payment_id</c> of a payment.</summary>
    PaymentId = 1 << 7,

    /// <summary><c>payment_method</c> of a payment.</summary>
    PaymentMethod = 1 << 8,

    /// <summary><c>card_last_four</c> of a payment.</summary>
    CardLastFour = 1 << 9,

    /// <summary><c>payment_status</c> of a payment.</summary>
    PaymentStatus = 1 << 10,

    /// <summary><c>payment_datetime</c> of a payment.</summary>
    PaymentDatetime = 1 << 11,
}

/// <summary>The names of <see cref="PayloadFields"/> in the JSON of a message.</summary>
public static class PayloadFieldNames
{
    private static readonly (PayloadFields Field, string Name)[] Names =
    [
        (PayloadFields.CustomerId, "customer_id"),
        (PayloadFields.Item, "item"),
        (PayloadFields.Quantity, "quantity"),
        (PayloadFields.Price, "price"),
        (PayloadFields.ShippingAddress, "shipping_address"),
        (PayloadFields.OrderStatus, "order_status"),
        (PayloadFields.CreationDate, "creation_date"),
        (PayloadFields.PaymentId, "payment_id"),
        (PayloadFields.PaymentMethod, "payment_method"),
        (PayloadFields.CardLastFour, "card_last_four"),
        (PayloadFields.PaymentStatus, "payment_status"),
        (PayloadFields.PaymentDatetime, "payment_datetime"),
    ];

    /// <summary>The JSON names of the fields in a set, in a fixed order.</summary>
    public static IEnumerable<string> Of(PayloadFields fields) => Names.Where(n => fields.HasFlag(n.Field)).Select(n => n.Name);
}
