using EcomStream.Cassandra.Cluster;
using EcomStream.Cassandra.Protocol;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>
/// The statements of the facts table. Each side is written with its message's stamp as the write timestamp, so that
/// Cassandra itself keeps the newest of each side, whatever the order in which writes arrive.
/// </summary>
internal sealed class FactTable
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

    private readonly PreparedStatement _setOrder;
    private readonly PreparedStatement _setPayment;

    private FactTable(PreparedStatement setOrder, PreparedStatement setPayment, PreparedStatement read, PreparedStatement readPaymentIds) =>
        (_setOrder, _setPayment, Read, ReadPayments) = (setOrder, setPayment, read, readPaymentIds);

    /// <summary>Reads whole rows by IN.</summary>
    public PreparedStatement Read { get; }

    /// <summary>Reads only what tells whose payment a row holds.</summary>
    public PreparedStatement ReadPayments { get; }

    public static async Task<FactTable> PrepareAsync(CqlSession session, string table, CancellationToken cancellationToken) => new(
        // An INSERT, so that the row is there even if all its columns are null.
        await session.PrepareAsync($"INSERT INTO {table} (order_id, {OrderColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?", cancellationToken),
        await session.PrepareAsync(
            $"UPDATE {table} USING TIMESTAMP ? SET payment_id = ?, payment_method = ?, card_last_four = ?, payment_status = ?, payment_datetime = ? WHERE order_id = ?",
            cancellationToken),
        await session.PrepareAsync($"SELECT order_id, {OrderColumns}, {PaymentColumns}, {_writeTimes} FROM {table} WHERE order_id IN ?", cancellationToken),
        await session.PrepareAsync($"SELECT order_id, {PaymentColumns} FROM {table} WHERE order_id IN ?", cancellationToken));

    /// <summary>Adds a write's statements.</summary>
    public void Write(StatementBatch batch, FactWrite write, bool withPayment)
    {
        if (write.Order is { } order)
        {
            var values = batch.Add(_setOrder);
            values.Value(write.OrderId);
            WriteFirst(
                values,
                order.CustomerId,
                isBare: order is { CustomerId: null, Item: null, Quantity: null, Price: null, ShippingAddress: null, OrderStatus: null, CreationDate: null });
            values.Value(order.Item);
            values.Value(order.Quantity);
            values.Value(order.Price);
            values.Value(order.ShippingAddress);
            values.Value(order.OrderStatus);
            values.Value(order.CreationDate);
            values.Value(write.OrderStamp.Micros);
        }

        if (withPayment && write.Payment is { } payment)
        {
            var values = batch.Add(_setPayment);
            values.Value(write.PaymentStamp.Micros);
            WriteFirst(
                values,
                payment.PaymentId,
                isBare: payment is { PaymentId: null, PaymentMethod: null, CardLastFour: null, PaymentStatus: null, PaymentDatetime: null });
            values.Value(payment.PaymentMethod);
            values.Value(payment.CardLastFour);
            values.Value(payment.PaymentStatus);
            values.Value(payment.PaymentDatetime);
            values.Value(write.OrderId);
        }
    }

    /// <summary>A row of <see cref="Read"/>.</summary>
    public static OrderFact ToFact(RowSet row)
    {
        var orderId = row.Int64(0);
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
    public static (long OrderId, bool HasPayment, long? PaymentId) ToPayment(RowSet row) =>
        (row.Int64(0), HasAny(row, 1, PaymentColumnCount), row.Int64OrNull(1));

    // A side whose columns are all null is marked by an empty value, which readers take for null, in its first column.
    private static void WriteFirst(ByteWriter values, long? id, bool isBare)
    {
        if (isBare)
        {
            values.EmptyValue();
        }
        else
        {
            values.Value(id);
        }
    }

    private static bool HasAny(RowSet row, int first, int count)
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
    private static Stamp Newest(RowSet row, int first, int count)
    {
        var newest = Stamp.None.Micros;
        for (var column = first; column < first + count; column++)
        {
            newest = Math.Max(newest, row.Int64OrNull(column) ?? newest);
        }

        return new Stamp(newest);
    }
}
