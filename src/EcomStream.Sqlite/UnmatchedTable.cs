using EcomStream.Core;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>The unmatched payments on one connection.</summary>
internal sealed class UnmatchedTable : IDisposable
{
    private const string Columns =
        "order_id, payment_key, data, publish_time, message_id, subscription, reason, state, since, changed, detail, replays";

    private readonly Statement _upsert;
    private readonly Statement _readByOrder;

    public UnmatchedTable(SqliteConnection connection)
    {
        _upsert = new Statement(
            connection,
            $"""
            INSERT INTO unmatched_payments ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (order_id, payment_key) DO UPDATE SET
                data = excluded.data, publish_time = excluded.publish_time, message_id = excluded.message_id,
                subscription = excluded.subscription, reason = excluded.reason, state = excluded.state,
                since = min(since, excluded.since), changed = excluded.changed, detail = excluded.detail,
                replays = excluded.replays
            """,
            12);
        _readByOrder = new Statement(connection, $"SELECT {Columns} FROM unmatched_payments WHERE order_id = $1", 1);
    }

    public void Write(UnmatchedPayment row)
    {
        _upsert[1] = row.OrderId;
        _upsert[2] = row.PaymentKey;
        _upsert[3] = row.Data.ToArray();
        _upsert[4] = row.PublishTimeMicros;
        _upsert[5] = row.MessageId;
        _upsert[6] = row.Subscription;
        _upsert[7] = row.Reason.ToAttribute();
        _upsert[8] = StateText(row.State);
        _upsert[9] = row.SinceMicros;
        _upsert[10] = row.ChangedMicros;
        _upsert[11] = row.Detail;
        _upsert[12] = row.Replays;
        _upsert.Execute();
    }

    public IEnumerable<UnmatchedPayment> Read(long orderId)
    {
        _readByOrder[1] = orderId;
        using var rows = _readByOrder.Command.ExecuteReader();
        while (rows.Read())
        {
            yield return Row(rows);
        }
    }

    /// <summary>One page of a listing, oldest publish time first, after the row with the given keys.</summary>
    public static List<UnmatchedPayment> Page(
        SqliteConnection connection, UnmatchedQuery query, (long PublishTime, long OrderId, string Key)? after, int size)
    {
        using var list = connection.CreateCommand();
        var where = new List<string> { "publish_time <= $until" };
        list.Parameters.AddWithValue("$until", query.PublishedUntilMicros);
        void Filter(string condition, string name, object value)
        {
            where.Add(condition);
            list.Parameters.AddWithValue(name, value);
        }

        if (query.State is { } state)
        {
            Filter("state = $state", "$state", StateText(state));
        }

        if (query.Reason is { } reason)
        {
            Filter("reason = $reason", "$reason", reason.ToAttribute());
        }

        if (query.OrderId is { } orderId)
        {
            Filter("order_id = $order", "$order", orderId);
        }

        if (after is { } last)
        {
            Filter("(publish_time, order_id, payment_key) > ($time, $afterOrder, $afterKey)", "$time", last.PublishTime);
            list.Parameters.AddWithValue("$afterOrder", last.OrderId);
            list.Parameters.AddWithValue("$afterKey", last.Key);
        }

        list.CommandText =
            $"SELECT {Columns} FROM unmatched_payments WHERE {string.Join(" AND ", where)} "
            + "ORDER BY publish_time, order_id, payment_key LIMIT $limit";
        list.Parameters.AddWithValue("$limit", size);
        var page = new List<UnmatchedPayment>();
        using var rows = list.ExecuteReader();
        while (rows.Read())
        {
            page.Add(Row(rows));
        }

        return page;
    }

    /// <summary>One page of the healable rows, by key, after the row with the given key.</summary>
    public static List<(long OrderId, string Key, UnmatchedState State)> HealablePage(
        SqliteConnection connection, (long OrderId, string Key)? after, int size)
    {
        using var list = connection.CreateCommand();
        list.CommandText =
            """
            SELECT order_id, payment_key, state FROM unmatched_payments
            WHERE (state = 'waiting' OR (state = 'dead-lettered' AND reason = 'no-matching-order'))
                AND ($order IS NULL OR (order_id, payment_key) > ($order, $key))
            ORDER BY order_id, payment_key LIMIT $limit
            """;
        list.Parameters.AddWithValue("$order", after is { } o ? o.OrderId : DBNull.Value);
        list.Parameters.AddWithValue("$key", after is { } k ? k.Key : DBNull.Value);
        list.Parameters.AddWithValue("$limit", size);
        var page = new List<(long, string, UnmatchedState)>();
        using var rows = list.ExecuteReader();
        while (rows.Read())
        {
            page.Add((rows.GetInt64(0), rows.GetString(1), State(rows.GetString(2))));
        }

        return page;
    }

    public void Dispose()
    {
        _upsert.Dispose();
        _readByOrder.Dispose();
    }

    private static UnmatchedPayment Row(SqliteDataReader row) => new()
    {
        OrderId = row.GetInt64(0),
        PaymentKey = row.GetString(1),
        Data = row.GetFieldValue<byte[]>(2),
        PublishTimeMicros = row.GetInt64(3),
        MessageId = row.GetString(4),
        Subscription = row.GetString(5),
        Reason = DeadLetterReasons.TryParse(row.GetString(6), out var reason)
            ? reason
            : throw new StoreRejectedException($"unmatched_payments has the unknown reason '{row.GetString(6)}'."),
        State = State(row.GetString(7)),
        SinceMicros = row.GetInt64(8),
        ChangedMicros = row.GetInt64(9),
        Detail = row.GetString(10),
        Replays = row.GetInt32(11),
    };

    private static string StateText(UnmatchedState state) => state switch
    {
        UnmatchedState.Waiting => "waiting",
        UnmatchedState.DeadLettered => "dead-lettered",
        UnmatchedState.Healed => "healed",
        UnmatchedState.Discarded => "discarded",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a state of an unmatched payment."),
    };

    private static UnmatchedState State(string text) => text switch
    {
        "waiting" => UnmatchedState.Waiting,
        "dead-lettered" => UnmatchedState.DeadLettered,
        "healed" => UnmatchedState.Healed,
        "discarded" => UnmatchedState.Discarded,
        _ => throw new StoreRejectedException($"unmatched_payments has the unknown state '{text}'."),
    };
}
