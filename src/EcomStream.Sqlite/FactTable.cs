using EcomStream.Core;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>
/// The facts and their stamps on one connection. What a side was set by decides whether it is set again, so a write
/// is a read of the row first; the page that it reads is the one it writes.
/// </summary>
internal sealed class FactTable : IDisposable
{
    private const string HasOrder =
        "coalesce(f.customer_id, f.item, f.quantity, f.price, f.shipping_address, f.order_status, f.creation_date) IS NOT NULL";

    private const string HasPayment =
        "coalesce(f.payment_id, f.payment_method, f.card_last_four, f.payment_status, f.payment_datetime) IS NOT NULL";

    private readonly Statement _read;
    private readonly Statement _readHead;
    private readonly Statement _replace;
    private readonly Statement _setOrder;
    private readonly Statement _setPayment;
    private readonly Statement _setStamps;

    public FactTable(SqliteConnection connection)
    {
        const string From = "FROM orders_payments_facts f LEFT JOIN orders_payments_stamps s ON s.order_id = f.order_id WHERE f.order_id = ?1";

        // A row without stamps was written by another program: its columns are the oldest there can be.
        const string Head = $"s.order_stamp, s.payment_stamp, {HasOrder}, {HasPayment}, f.payment_id, s.payment_detail_stamp";
        _readHead = new Statement(connection, $"SELECT {Head} {From}");
        _read = new Statement(
            connection,
            $"""
            SELECT {Head}, f.customer_id, f.item, f.quantity, f.price, f.shipping_address, f.order_status, f.creation_date,
                f.payment_method, f.card_last_four, f.payment_status, f.payment_datetime
            {From}
            """);
        _replace = new Statement(
            connection,
            """
            INSERT INTO orders_payments_facts (order_id, customer_id, item, quantity, price, shipping_address,
                order_status, creation_date, payment_id, payment_method, card_last_four, payment_status, payment_datetime)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
            ON CONFLICT (order_id) DO UPDATE SET customer_id = ?2, item = ?3, quantity = ?4, price = ?5, shipping_address = ?6,
                order_status = ?7, creation_date = ?8, payment_id = ?9, payment_method = ?10, card_last_four = ?11,
                payment_status = ?12, payment_datetime = ?13
            """);
        _setOrder = new Statement(
            connection,
            """
            UPDATE orders_payments_facts SET customer_id = ?2, item = ?3, quantity = ?4, price = ?5, shipping_address = ?6,
                order_status = ?7, creation_date = ?8
            WHERE order_id = ?1
            """);
        _setPayment = new Statement(
            connection,
            """
            UPDATE orders_payments_facts SET payment_id = ?2, payment_method = ?3, card_last_four = ?4, payment_status = ?5,
                payment_datetime = ?6
            WHERE order_id = ?1
            """);
        _setStamps = new Statement(connection, "INSERT OR REPLACE INTO orders_payments_stamps (order_id, order_stamp, payment_stamp, payment_detail_stamp) VALUES (?1, ?2, ?3, ?4)");
    }

    public OrderFact? Read(long orderId)
    {
        if (!_read.Bind(1, orderId).Step())
        {
            return null;
        }

        try
        {
            var head = Head.Of(_read);
            return new OrderFact(
                orderId,
                head.HasOrder ? ReadOrder(orderId) : null,
                head.OrderStamp,
                head.HasPayment ? ReadPayment(orderId) : null,
                head.PaymentStamp)
            {
                PaymentDetailStamp = head.PaymentDetailStamp,
            };
        }
        finally
        {
            _read.Reset();
        }
    }

    /// <summary>Applies one write.</summary>
    /// <returns>False when its guarded payment was refused.</returns>
    public bool Write(FactWrite write)
    {
        var row = ReadHead(write.OrderId);
        var refused = write is { Payment: { } guarded, PaymentGuarded: true } && row.HasPayment
            && (row.PaymentId != guarded.PaymentId
                || (PaymentGuard.Overlaps(row.PaymentStamp, row.PaymentDetailStamp, write) && PaymentGuard.Refuses(Read(write.OrderId), write)));
        var order = write.Order is not null && (!row.HasOrder || write.OrderStamp >= row.OrderStamp) ? write.Order : null;
        var details = write.PaymentDetailStamp ?? write.PaymentStamp;
        var payment = write.Payment is not null && !refused && (!row.HasPayment || write.PaymentStamp >= row.PaymentStamp || details >= row.PaymentDetailStamp)
            ? write.Payment
            : null;
        var (paymentStamp, detailStamp) = (write.PaymentStamp, details);
        if (row.IsMixed(order is not null, write.OrderStamp, payment is not null, write.PaymentStamp, details) && Read(write.OrderId) is { } there)
        {
            order = order is not null && there.Order is not null && write.OrderStamp == row.OrderStamp ? CellOrder.Resolve(there.Order, order) : order;
            if (payment is not null && there.Payment is not null)
            {
                payment = CellOrder.Resolve(there.Payment, there.PaymentStamp, there.PaymentDetailStamp, payment, paymentStamp, details);
                (paymentStamp, detailStamp) = (Newer(there.PaymentStamp, paymentStamp), Newer(there.PaymentDetailStamp, details));
            }
        }

        if (order is null && payment is null)
        {
            return !refused;
        }

        if (!row.Exists || (order is not null && payment is not null))
        {
            _replace.Bind(1, write.OrderId);
            BindOrder(_replace, 2, order);
            BindPayment(_replace, 9, payment);
            _replace.Execute();
        }
        else if (order is not null)
        {
            _setOrder.Bind(1, write.OrderId);
            BindOrder(_setOrder, 2, order);
            _setOrder.Execute();
        }
        else
        {
            _setPayment.Bind(1, write.OrderId);
            BindPayment(_setPayment, 2, payment);
            _setPayment.Execute();
        }

        _setStamps.Bind(1, write.OrderId)
            .Bind(2, order is not null ? write.OrderStamp.Micros : row.HasOrder ? row.OrderStamp.Micros : null)
            .Bind(3, payment is not null ? paymentStamp.Micros : row.HasPayment ? row.PaymentStamp.Micros : null)
            .Bind(4, payment is not null ? Different(detailStamp, paymentStamp) : row.HasPayment ? Different(row.PaymentDetailStamp, row.PaymentStamp) : null)
            .Execute();
        return !refused;
    }

    /// <summary>
    /// Inserts the row in place of what is there: for a transaction that is rolled back, to see whether SQLite takes it.
    /// </summary>
    public void Probe(FactWrite write)
    {
        _replace.Bind(1, write.OrderId);
        BindOrder(_replace, 2, write.Order);
        BindPayment(_replace, 9, write.Payment);
        _replace.Execute();
    }

    public void Dispose()
    {
        _read.Dispose();
        _readHead.Dispose();
        _replace.Dispose();
        _setOrder.Dispose();
        _setPayment.Dispose();
        _setStamps.Dispose();
    }

    private Head ReadHead(long orderId)
    {
        if (!_readHead.Bind(1, orderId).Step())
        {
            return default;
        }

        var head = Head.Of(_readHead);
        _readHead.Reset();
        return head;
    }

    private static Stamp Newer(Stamp one, Stamp other) => one > other ? one : other;

    private static long? Different(Stamp details, Stamp payment) => details == payment ? null : details.Micros;

    private static void BindOrder(Statement statement, int first, Order? order)
    {
        // SQLite has no NaN: it is stored as null.
        statement
            .Bind(first, order?.CustomerId)
            .Bind(first + 1, order?.Item)
            .Bind(first + 2, order?.Quantity)
            .Bind(first + 3, order?.Price)
            .Bind(first + 4, order?.ShippingAddress)
            .Bind(first + 5, order?.OrderStatus)
            .Bind(first + 6, order?.CreationDate);
    }

    private static void BindPayment(Statement statement, int first, Payment? payment)
    {
        statement
            .Bind(first, payment?.PaymentId)
            .Bind(first + 1, payment?.PaymentMethod)
            .Bind(first + 2, payment?.CardLastFour)
            .Bind(first + 3, payment?.PaymentStatus)
            .Bind(first + 4, payment?.PaymentDatetime);
    }

    private Order ReadOrder(long orderId) => new()
    {
        OrderId = orderId,
        CustomerId = _read.Int64OrNull(6),
        Item = _read.TextOrNull(7),
        Quantity = _read.Int64OrNull(8),
        Price = _read.DoubleOrNull(9),
        ShippingAddress = _read.TextOrNull(10),
        OrderStatus = _read.TextOrNull(11),
        CreationDate = _read.TextOrNull(12),
    };

    private Payment ReadPayment(long orderId) => new()
    {
        OrderId = orderId,
        PaymentId = _read.Int64OrNull(4),
        PaymentMethod = _read.TextOrNull(13),
        CardLastFour = _read.TextOrNull(14),
        PaymentStatus = _read.TextOrNull(15),
        PaymentDatetime = _read.TextOrNull(16),
    };

    /// <summary>What decides about a write: which sides the row has, since when, and whose payment it is.</summary>
    private readonly record struct Head(
        bool Exists, bool HasOrder, Stamp OrderStamp, bool HasPayment, Stamp PaymentStamp, long? PaymentId, Stamp PaymentDetailStamp)
    {
        public static Head Of(Statement row)
        {
            var (orderStamp, paymentStamp) = (row.Int64OrNull(0), row.Int64OrNull(1));
            return new Head(
                true,
                orderStamp is not null || row.Int64(2) != 0,
                orderStamp is { } o ? new Stamp(o) : Stamp.None,
                paymentStamp is not null || row.Int64(3) != 0,
                paymentStamp is { } p ? new Stamp(p) : Stamp.None,
                row.Int64OrNull(4),
                (row.Int64OrNull(5) ?? paymentStamp) is { } d ? new Stamp(d) : Stamp.None);
        }

        /// <summary>Whether columns of the row and of a write are to be chosen one by one, which is rare.</summary>
        public bool IsMixed(bool withOrder, Stamp orderStamp, bool withPayment, Stamp paymentStamp, Stamp detailStamp) =>
            (withOrder && HasOrder && orderStamp == OrderStamp)
            || (withPayment && HasPayment && !(paymentStamp > PaymentStamp && detailStamp > PaymentDetailStamp));
    }
}
