using EcomStream.Core;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>
/// The facts and their stamps on one connection: prepared once, parameters reused. What a side was set by decides
/// whether it is set again, so a write is a read of the row first; the page that it reads is the one it writes.
/// </summary>
internal sealed class FactTable : IDisposable
{
    private readonly Statement _read;
    private readonly Statement _insert;
    private readonly Statement _setOrder;
    private readonly Statement _setPayment;
    private readonly Statement _setStamps;

    public FactTable(SqliteConnection connection)
    {
        _read = new Statement(
            connection,
            """
            SELECT f.customer_id, f.item, f.quantity, f.price, f.shipping_address, f.order_status, f.creation_date,
                f.payment_id, f.payment_method, f.card_last_four, f.payment_status, f.payment_datetime,
                s.order_stamp, s.payment_stamp
            FROM orders_payments_facts f LEFT JOIN orders_payments_stamps s ON s.order_id = f.order_id
            WHERE f.order_id = $1
            """,
            1);
        _insert = new Statement(
            connection,
            "INSERT INTO orders_payments_facts VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            13);
        _setOrder = new Statement(
            connection,
            """
            UPDATE orders_payments_facts SET customer_id = $2, item = $3, quantity = $4, price = $5, shipping_address = $6,
                order_status = $7, creation_date = $8
            WHERE order_id = $1
            """,
            8);
        _setPayment = new Statement(
            connection,
            """
            UPDATE orders_payments_facts SET payment_id = $2, payment_method = $3, card_last_four = $4, payment_status = $5,
                payment_datetime = $6
            WHERE order_id = $1
            """,
            6);
        _setStamps = new Statement(
            connection,
            "INSERT OR REPLACE INTO orders_payments_stamps VALUES ($1, $2, $3)",
            3);
    }

    public OrderFact? Read(long orderId)
    {
        _read[1] = orderId;
        using var row = _read.Command.ExecuteReader();
        if (!row.Read())
        {
            return null;
        }

        // A row without stamps was written by another program: its columns are the oldest there can be.
        var hasOrder = !row.IsDBNull(12) || AnyValue(row, 0, 7);
        var hasPayment = !row.IsDBNull(13) || AnyValue(row, 7, 12);
        return new OrderFact(
            orderId,
            hasOrder ? ReadOrder(orderId, row) : null,
            row.IsDBNull(12) ? Stamp.None : new Stamp(row.GetInt64(12)),
            hasPayment ? ReadPayment(orderId, row) : null,
            row.IsDBNull(13) ? Stamp.None : new Stamp(row.GetInt64(13)));
    }

    /// <summary>Applies one write.</summary>
    /// <returns>False when its guarded payment was refused.</returns>
    public bool Write(FactWrite write)
    {
        var row = Read(write.OrderId);
        var refused = write is { Payment: not null, PaymentGuarded: true }
            && row?.Payment is { } other && other.PaymentId != write.Payment.PaymentId;
        var order = write.Order is not null && (row?.Order is null || write.OrderStamp >= row.OrderStamp) ? write.Order : null;
        var payment = !refused && write.Payment is not null && (row?.Payment is null || write.PaymentStamp >= row.PaymentStamp)
            ? write.Payment
            : null;
        if (order is null && payment is null)
        {
            return !refused;
        }

        if (row is null)
        {
            _insert[1] = write.OrderId;
            BindOrder(_insert, 2, order);
            BindPayment(_insert, 9, payment);
            _insert.Execute();
        }
        else
        {
            if (order is not null)
            {
                _setOrder[1] = write.OrderId;
                BindOrder(_setOrder, 2, order);
                _setOrder.Execute();
            }

            if (payment is not null)
            {
                _setPayment[1] = write.OrderId;
                BindPayment(_setPayment, 2, payment);
                _setPayment.Execute();
            }
        }

        _setStamps[1] = write.OrderId;
        _setStamps[2] = order is not null ? write.OrderStamp.Micros : row?.Order is null ? null : row.OrderStamp.Micros;
        _setStamps[3] = payment is not null ? write.PaymentStamp.Micros : row?.Payment is null ? null : row.PaymentStamp.Micros;
        _setStamps.Execute();
        return !refused;
    }

    public void Dispose()
    {
        _read.Dispose();
        _insert.Dispose();
        _setOrder.Dispose();
        _setPayment.Dispose();
        _setStamps.Dispose();
    }

    private static void BindOrder(Statement statement, int first, Order? order)
    {
        statement[first] = order?.CustomerId;
        statement[first + 1] = order?.Item;
        statement[first + 2] = order?.Quantity;

        // SQLite has no NaN: it would be stored as null, and the provider refuses it.
        statement[first + 3] = order?.Price is { } price && !double.IsNaN(price) ? price : null;
        statement[first + 4] = order?.ShippingAddress;
        statement[first + 5] = order?.OrderStatus;
        statement[first + 6] = order?.CreationDate;
    }

    private static void BindPayment(Statement statement, int first, Payment? payment)
    {
        statement[first] = payment?.PaymentId;
        statement[first + 1] = payment?.PaymentMethod;
        statement[first + 2] = payment?.CardLastFour;
        statement[first + 3] = payment?.PaymentStatus;
        statement[first + 4] = payment?.PaymentDatetime;
    }

    private static Order ReadOrder(long orderId, SqliteDataReader row) => new()
    {
        OrderId = orderId,
        CustomerId = Int64(row, 0),
        Item = Text(row, 1),
        Quantity = Int64(row, 2),
        Price = row.IsDBNull(3) ? null : row.GetDouble(3),
        ShippingAddress = Text(row, 4),
        OrderStatus = Text(row, 5),
        CreationDate = Text(row, 6),
    };

    private static Payment ReadPayment(long orderId, SqliteDataReader row) => new()
    {
        OrderId = orderId,
        PaymentId = Int64(row, 7),
        PaymentMethod = Text(row, 8),
        CardLastFour = Text(row, 9),
        PaymentStatus = Text(row, 10),
        PaymentDatetime = Text(row, 11),
    };

    private static bool AnyValue(SqliteDataReader row, int from, int to)
    {
        for (var i = from; i < to; i++)
        {
            if (!row.IsDBNull(i))
            {
                return true;
            }
        }

        return false;
    }

    private static long? Int64(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetInt64(column);

    private static string? Text(SqliteDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);
}
