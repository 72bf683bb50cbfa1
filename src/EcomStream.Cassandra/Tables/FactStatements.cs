using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tables;

/// <summary>
/// The statements of the facts table. Each side is written with its message's stamp as the write timestamp, so that
/// Cassandra itself keeps the newest of each side, whatever the order in which writes arrive.
/// </summary>
internal sealed class FactStatements
{
    // Position of each column in the reads below.
    private const int FirstOrderColumn = 1;
    private const int FirstPaymentColumn = 8;
    private const int FirstWriteTime = 13;
    private const int OrderColumnCount = 7;
    private const int PaymentColumnCount = 5;

    private const string OrderColumns = "customer_id, item, quantity, price, shipping_address, order_status, creation_date";
    private const string PaymentColumns = "payment_id, payment_method, card_last_four, payment_status, payment_datetime";

    private static readonly string _writeTimes =
        string.Join(", ", $"{OrderColumns}, {PaymentColumns}".Split(", ").Select(column => $"writetime({column})"));

    private readonly IStatement _setOrder;
    private readonly IStatement _setPayment;

    private FactStatements(IStatement setOrder, IStatement setPayment, IStatement read, IStatement readPaymentIds) =>
        (_setOrder, _setPayment, Read, ReadPayments) = (setOrder, setPayment, read, readPaymentIds);

    /// <summary>Reads whole rows by IN.</summary>
    public IStatement Read { get; }

    /// <summary>Reads only what tells whose payment a row holds.</summary>
    public IStatement ReadPayments { get; }

    public static async Task<FactStatements> PrepareAsync(ICqlClient client, string table, CancellationToken cancellationToken) => new(
        // An INSERT, so that the row is there even if all its columns are null.
        await client.PrepareAsync($"INSERT INTO {table} (order_id, {OrderColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?", cancellationToken),
        await client.PrepareAsync(
            $"UPDATE {table} USING TIMESTAMP ? SET payment_id = ?, payment_method = ?, card_last_four = ?, payment_status = ?, payment_datetime = ? WHERE order_id = ?",
            cancellationToken),
        await client.PrepareAsync($"SELECT order_id, {OrderColumns}, {PaymentColumns}, {_writeTimes} FROM {table} WHERE order_id IN ?", cancellationToken),
        await client.PrepareAsync($"SELECT order_id, {PaymentColumns} FROM {table} WHERE order_id IN ?", cancellationToken));

    /// <summary>Adds a write's statements.</summary>
    public void Write(IWriteBatch batch, FactWrite write, bool withPayment)
    {
        if (write.Order is { } order)
        {
            batch.Add(_setOrder, new OrderValues(order, write.OrderStamp));
        }

        if (withPayment && write.Payment is { } payment)
        {
            batch.Add(_setPayment, new PaymentValues(payment, write.PaymentStamp));
        }
    }

    /// <summary>A row of <see cref="Read"/>.</summary>
    public static OrderFact ToFact(IPage row)
    {
        var orderId = row.Int64OrNull(0)!.Value;
        var order = HasAny(row, FirstOrderColumn, OrderColumnCount)
            ? new Order
            {
                OrderId = orderId,
                CustomerId = row.Int64OrNull(1),
                Item = row.TextOrNull(2),
                Quantity = row.Int64OrNull(3),
                Price = row.DoubleOrNull(4),
                ShippingAddress = row.TextOrNull(5),
                OrderStatus = row.TextOrNull(6),
                CreationDate = row.TextOrNull(7),
            }
            : null;
        var payment = HasAny(row, FirstPaymentColumn, PaymentColumnCount)
            ? new Payment
            {
                OrderId = orderId,
                PaymentId = row.Int64OrNull(8),
                PaymentMethod = row.TextOrNull(9),
                CardLastFour = row.TextOrNull(10),
                PaymentStatus = row.TextOrNull(11),
                PaymentDatetime = row.TextOrNull(12),
            }
            : null;
        return new OrderFact(
            orderId,
            order,
            Newest(row, FirstWriteTime, OrderColumnCount),
            payment,
            Newest(row, FirstWriteTime + OrderColumnCount, PaymentColumnCount));
    }

    /// <summary>A row of <see cref="ReadPayments"/>: whether it has a payment, and its id.</summary>
    public static (long OrderId, bool HasPayment, long? PaymentId) ToPayment(IPage row) =>
        (row.Int64OrNull(0)!.Value, HasAny(row, 1, PaymentColumnCount), row.Int64OrNull(1));

    // A side whose columns are all null is marked by an empty value, which readers take for null, in its first column.
    private static void First<TCells>(ref TCells cells, long? id, bool isBare)
        where TCells : struct, ICells
    {
        if (isBare)
        {
            cells.Empty();
        }
        else
        {
            cells.Bigint(id);
        }
    }

    private static bool HasAny(IPage row, int first, int count)
    {
        for (var column = first; column < first + count; column++)
        {
            if (!row.IsNull(column))
            {
                return true;
            }
        }

        return false;
    }

    // A null has no write time, so the side's stamp is that of any column that is not null.
    private static Stamp Newest(IPage row, int first, int count)
    {
        var newest = Stamp.None.Micros;
        for (var column = first; column < first + count; column++)
        {
            newest = Math.Max(newest, row.Int64OrNull(column) ?? newest);
        }

        return new Stamp(newest);
    }

    private readonly struct OrderValues(Order order, Stamp stamp) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(order.OrderId);
            First(
                ref cells,
                order.CustomerId,
                isBare: order is { CustomerId: null, Item: null, Quantity: null, Price: null, ShippingAddress: null, OrderStatus: null, CreationDate: null });
            cells.Text(order.Item);
            cells.Bigint(order.Quantity);
            cells.Double(order.Price);
            cells.Text(order.ShippingAddress);
            cells.Text(order.OrderStatus);
            cells.Text(order.CreationDate);
            cells.Bigint(stamp.Micros);
        }
    }

    private readonly struct PaymentValues(Payment payment, Stamp stamp) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(stamp.Micros);
            First(
                ref cells,
                payment.PaymentId,
                isBare: payment is { PaymentId: null, PaymentMethod: null, CardLastFour: null, PaymentStatus: null, PaymentDatetime: null });
            cells.Text(payment.PaymentMethod);
            cells.Text(payment.CardLastFour);
            cells.Text(payment.PaymentStatus);
            cells.Text(payment.PaymentDatetime);
            cells.Bigint(payment.OrderId);
        }
    }
}
