namespace EcomStream.Chaos.Checking;

/// <summary>A row of the facts table.</summary>
/// <param name="OrderId">Its key.</param>
/// <param name="Columns">The columns after order_id, in the table's order, each as text; null for null.</param>
internal sealed record FactRow(long OrderId, IReadOnlyList<string?> Columns);

/// <summary>A row of the table of unmatched payments.</summary>
internal sealed record UnmatchedRow(long OrderId, string PaymentKey, string State, string Reason);

/// <summary>Reads the tables without EcomStream.</summary>
internal interface IRowReader
{
    /// <summary>The columns of the facts table after order_id.</summary>
    static readonly string[] FactColumns =
    [
        "customer_id", "item", "quantity", "price", "shipping_address", "order_status", "creation_date",
        "payment_id", "payment_method", "card_last_four", "payment_status", "payment_datetime",
    ];

    /// <summary>The columns of <see cref="FactColumns"/> that are of the order; the others are of the payment.</summary>
    const int OrderColumns = 7;

    /// <summary>Reads the rows of a range of orders, both ends included.</summary>
    Task<(IReadOnlyDictionary<long, FactRow> Facts, IReadOnlyList<UnmatchedRow> Unmatched)> ReadAsync(long firstOrder, long lastOrder, CancellationToken cancellationToken);
}
