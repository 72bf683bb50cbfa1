using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tables;

/// <summary>
/// The statements of the facts table. The write timestamp of each side is its message's stamp plus a constant offset, so
/// that Cassandra itself keeps the newest of each side, whatever the order in which writes arrive, and so that what other
/// programs write at the current time, nulls and deletes included, does not hide it.
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

    private static readonly string _orderTimes = WriteTimes(OrderColumns);
    private static readonly string _paymentTimes = WriteTimes(PaymentColumns);

    private readonly long _offset;
    private readonly IStatement _setOrder;
    private readonly IStatement _setPayment;
    private readonly IStatement _setPaymentId;
    private readonly IStatement _setPaymentDetails;

    private FactStatements(
        long offset,
        IStatement setOrder,
        IStatement setPayment,
        IStatement setPaymentId,
        IStatement setPaymentDetails,
        IStatement read,
        IStatement readPaymentIds,
        IStatement checkAccess)
    {
        (_offset, _setOrder, _setPayment, _setPaymentId, _setPaymentDetails) = (offset, setOrder, setPayment, setPaymentId, setPaymentDetails);
        (Read, ReadPayments, CheckAccess) = (read, readPaymentIds, checkAccess);
    }

    /// <summary>Reads whole rows by IN.</summary>
    public IStatement Read { get; }

    /// <summary>Reads the payment columns by IN, for guarded payments.</summary>
    public IStatement ReadPayments { get; }

    /// <summary>Needs the permission to write; with an empty list of orders it changes nothing.</summary>
    public IStatement CheckAccess { get; }

    /// <summary>Prepares the statements.</summary>
    /// <param name="client">The client.</param>
    /// <param name="table">keyspace.table.</param>
    /// <param name="offset">Added to each stamp to make its write timestamp.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<FactStatements> PrepareAsync(ICqlClient client, string table, TimeSpan offset, CancellationToken cancellationToken) => new(
        (long)offset.TotalMicroseconds,

        // An INSERT, so that the row is there even if all its columns are null.
        await client.PrepareAsync($"INSERT INTO {table} (order_id, {OrderColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?", cancellationToken),
        await client.PrepareAsync(
            $"UPDATE {table} USING TIMESTAMP ? SET payment_id = ?, payment_method = ?, card_last_four = ?, payment_status = ?, payment_datetime = ? WHERE order_id = ?",
            cancellationToken),
        await client.PrepareAsync($"UPDATE {table} USING TIMESTAMP ? SET payment_id = ? WHERE order_id = ?", cancellationToken),
        await client.PrepareAsync(
            $"UPDATE {table} USING TIMESTAMP ? SET payment_method = ?, card_last_four = ?, payment_status = ?, payment_datetime = ? WHERE order_id = ?",
            cancellationToken),
        await client.PrepareAsync($"SELECT order_id, {OrderColumns}, {PaymentColumns}, {_orderTimes}, {_paymentTimes} FROM {table} WHERE order_id IN ?", cancellationToken),
        await client.PrepareAsync($"SELECT order_id, {PaymentColumns}, {_paymentTimes} FROM {table} WHERE order_id IN ?", cancellationToken),
        await client.PrepareAsync($"DELETE payment_id FROM {table} USING TIMESTAMP ? WHERE order_id IN ?", cancellationToken));

    /// <summary>Adds a write's statements.</summary>
    public void Write(IWriteBatch batch, FactWrite write, bool withPayment)
    {
        if (write.Order is { } order)
        {
            batch.Add(_setOrder, new OrderValues(order, Timestamp(write.OrderStamp)));
        }

        if (!withPayment || write.Payment is not { } payment)
        {
            return;
        }

        if (write.PaymentDetailStamp is { } details && details != write.PaymentStamp)
        {
            batch.Add(_setPaymentId, new PaymentIdValues(payment, Timestamp(write.PaymentStamp)));
            batch.Add(_setPaymentDetails, new PaymentDetailValues(payment, Timestamp(details)));
        }
        else
        {
            batch.Add(_setPayment, new PaymentValues(payment, Timestamp(write.PaymentStamp)));
        }
    }

    /// <summary>A row of <see cref="Read"/>.</summary>
    /// <exception cref="FormatException">It has no key.</exception>
    public OrderFact ToFact(IPage row)
    {
        var orderId = row.Int64OrNull(0) ?? throw new FormatException("order_id has no value");
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
        var (payment, paymentStamp, details) = ReadPayment(row, orderId, FirstPaymentColumn, FirstWriteTime + OrderColumnCount);
        return new OrderFact(orderId, order, Newest(row, FirstWriteTime, OrderColumnCount), payment, paymentStamp) { PaymentDetailStamp = details };
    }

    /// <summary>The payment of a row of <see cref="ReadPayments"/>, as a row without an order.</summary>
    public OrderFact ToPayment(IPage row)
    {
        var orderId = row.Int64OrNull(0)!.Value;
        var (payment, stamp, details) = ReadPayment(row, orderId, first: 1, firstTime: 1 + PaymentColumnCount);
        return new OrderFact(orderId, null, Stamp.None, payment, stamp) { PaymentDetailStamp = details };
    }

    private static string WriteTimes(string columns) => string.Join(", ", columns.Split(", ").Select(column => $"writetime({column})"));

    private (Payment? Payment, Stamp Stamp, Stamp Details) ReadPayment(IPage row, long orderId, int first, int firstTime)
    {
        var payment = HasAny(row, first, PaymentColumnCount)
            ? new Payment
            {
                OrderId = orderId,
                PaymentId = row.Int64OrNull(first),
                PaymentMethod = row.TextOrNull(first + 1),
                CardLastFour = row.TextOrNull(first + 2),
                PaymentStatus = row.TextOrNull(first + 3),
                PaymentDatetime = row.TextOrNull(first + 4),
            }
            : null;

        // Where payment_id is null, only the other columns tell when the payment was written; and the other way round.
        var details = Newest(row, firstTime + 1, PaymentColumnCount - 1);
        var stamp = Newest(row, firstTime, 1) is var ofId && ofId != Stamp.None ? ofId : details;
        return (payment, stamp, details != Stamp.None ? details : stamp);
    }

    // A side whose columns are all null is marked by an empty value in its first column; most drivers read it as null (docs/clients.md).
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

    private static bool IsBare(Payment payment) =>
        payment is { PaymentId: null, PaymentMethod: null, CardLastFour: null, PaymentStatus: null, PaymentDatetime: null };

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
    private Stamp Newest(IPage row, int first, int count)
    {
        long? newest = null;
        for (var column = first; column < first + count; column++)
        {
            if (row.Int64OrNull(column) is { } time && (newest is null || time > newest))
            {
                newest = time;
            }
        }

        return newest is { } micros ? new Stamp(micros - _offset) : Stamp.None;
    }

    private long Timestamp(Stamp stamp) => stamp.Micros <= long.MaxValue - _offset ? stamp.Micros + _offset : long.MaxValue;

    private readonly struct OrderValues(Order order, long timestamp) : IStatementValues
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
            cells.Bigint(timestamp);
        }
    }

    private readonly struct PaymentValues(Payment payment, long timestamp) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(timestamp);
            First(ref cells, payment.PaymentId, IsBare(payment));
            cells.Text(payment.PaymentMethod);
            cells.Text(payment.CardLastFour);
            cells.Text(payment.PaymentStatus);
            cells.Text(payment.PaymentDatetime);
            cells.Bigint(payment.OrderId);
        }
    }

    private readonly struct PaymentIdValues(Payment payment, long timestamp) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(timestamp);
            First(ref cells, payment.PaymentId, IsBare(payment));
            cells.Bigint(payment.OrderId);
        }
    }

    private readonly struct PaymentDetailValues(Payment payment, long timestamp) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(timestamp);
            cells.Text(payment.PaymentMethod);
            cells.Text(payment.CardLastFour);
            cells.Text(payment.PaymentStatus);
            cells.Text(payment.PaymentDatetime);
            cells.Bigint(payment.OrderId);
        }
    }
}
