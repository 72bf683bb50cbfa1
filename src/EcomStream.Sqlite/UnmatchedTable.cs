using EcomStream.Core;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>The unmatched payments on one connection.</summary>
internal sealed class UnmatchedTable : IDisposable
{
    private const string Columns =
        "order_id, payment_key, data, publish_time, message_id, subscription, reason, state, since, changed, detail, replays, attributes, history";

    // "+" keeps SQLite from using the index by state (https://sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_):
    // with it, every page by key reads and sorts all rows of the state, a second for a million of them.
    private static readonly string _unjoinedByKey = SqliteSchema.Unjoined.Replace("state", "+state", StringComparison.Ordinal);

    private readonly SqliteConnection _connection;
    private readonly UndecodableRows _undecodable;
    private readonly Statement _upsert;
    private readonly Statement _readByOrder;
    private readonly Statement _readByKey;
    private readonly Statement _readUnjoined;
    private readonly Statement _deleteFinished;

    public UnmatchedTable(SqliteConnection connection, UndecodableRows undecodable)
    {
        (_connection, _undecodable) = (connection, undecodable);
        _upsert = new Statement(
            connection,
            $"""
            INSERT INTO unmatched_payments ({Columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
            ON CONFLICT (order_id, payment_key) DO UPDATE SET
                data = excluded.data, publish_time = excluded.publish_time, message_id = excluded.message_id,
                subscription = excluded.subscription, reason = excluded.reason, state = excluded.state,
                since = min(since, excluded.since), changed = excluded.changed, detail = excluded.detail,
                replays = excluded.replays, attributes = excluded.attributes, history = excluded.history
            """);
        _readByOrder = new Statement(connection, $"SELECT {Columns} FROM unmatched_payments WHERE order_id = ?1");
        _readByKey = new Statement(connection, $"SELECT {Columns} FROM unmatched_payments WHERE order_id = ?1 AND payment_key = ?2");

        _readUnjoined = new Statement(
            connection,
            $"""
            SELECT {Columns} FROM unmatched_payments WHERE order_id = ?1 AND {SqliteSchema.Unjoined}
            ORDER BY CASE state WHEN 'waiting' THEN 0 WHEN 'dead-lettered' THEN 1 ELSE 2 END, publish_time, payment_key LIMIT ?2
            """);
        _deleteFinished = new Statement(
            connection,
            $"""
            DELETE FROM unmatched_payments WHERE (order_id, payment_key) IN (
                SELECT order_id, payment_key FROM unmatched_payments
                WHERE changed < ?1 AND NOT {SqliteSchema.Healable}
                LIMIT ?2)
            """);
    }

    public void Write(UnmatchedPayment row) =>
        _upsert
            .Bind(1, row.OrderId)
            .Bind(2, row.PaymentKey)
            .Bind(3, row.Data.Span)
            .Bind(4, row.PublishTimeMicros)
            .Bind(5, row.MessageId)
            .Bind(6, row.Subscription)
            .Bind(7, row.Reason.ToAttribute())
            .Bind(8, row.State.ToText())
            .Bind(9, row.SinceMicros)
            .Bind(10, row.ChangedMicros)
            .Bind(11, row.Detail)
            .Bind(12, row.Replays)
            .Bind(13, row.AttributesJson)
            .Bind(14, row.History)
            .Execute();

    /// <summary>Adds all rows of an order to <paramref name="rows"/>.</summary>
    public void Read(long orderId, List<UnmatchedPayment> rows) => Read(_readByOrder.Bind(1, orderId), rows);

    /// <summary>Adds the row of a key to <paramref name="rows"/>, if there is one.</summary>
    /// <returns>Whether there is one, decodable or not.</returns>
    public bool Read(long orderId, string paymentKey, List<UnmatchedPayment> rows) => Read(_readByKey.Bind(1, orderId).Bind(2, paymentKey), rows) > 0;

    /// <summary>Writes a row if the stored one is still as it was read. The caller's transaction holds the write lock.</summary>
    /// <returns>Whether it was written.</returns>
    public bool Change(UnmatchedChange change)
    {
        var rows = new List<UnmatchedPayment>(1);
        var exists = Read(change.After.OrderId, change.After.PaymentKey, rows);
        var applies = change.Before is { } before ? rows is [var stored] && stored.HasSameContent(before) : !exists;
        if (applies)
        {
            Write(change.After);
        }

        return applies;
    }

    /// <summary>Adds the unjoined payments of an order to <paramref name="rows"/>, in the order of <see cref="IFactStore.ReadUnjoinedAsync"/>.</summary>
    public void ReadUnjoined(long orderId, int limit, List<UnmatchedPayment> rows) => Read(_readUnjoined.Bind(1, orderId).Bind(2, limit), rows);

    /// <summary>One page of a listing, oldest publish time first, after the row with the given keys.</summary>
    /// <returns>Its rows without the undecodable ones, and the place of its last row; null when there are no more.</returns>
    public (List<UnmatchedPayment> Rows, UnmatchedCursor? Next) Page(UnmatchedQuery query, UnmatchedCursor? after, int size)
    {
        using var list = new Statement(_connection, PageSql(query, continues: after is not null));

        // The index is entered at the place of the last page: the comparison of the whole key alone would read it from its beginning.
        var (from, until) = (query.PublishedFromMicros, query.PublishedUntilMicros);
        Bind(list.Bind(1, size), after is not { } bound ? query
            : query.NewestFirst ? query with { PublishedUntilMicros = Math.Min(until, bound.PublishTimeMicros) }
            : query with { PublishedFromMicros = Math.Max(from, bound.PublishTimeMicros) });
        if (after is { } last)
        {
            list.Bind(4, last.PublishTimeMicros).Bind(5, last.OrderId).Bind(6, last.PaymentKey);
        }

        var page = new List<UnmatchedPayment>();
        var (count, next) = ReadAll(list, page);
        return (page, count < size ? null : next);
    }

    /// <summary>
    /// The statement of <see cref="Page"/>: ?1 rows from publish time ?7 to ?2, of order ?3, after the row with the keys ?4 to ?6.
    /// </summary>
    internal static string PageSql(UnmatchedQuery query, bool continues)
    {
        // The indexes are by state and time, and by state, reason and time. Rows of several states or reasons are therefore
        // the merge of the listings of each: one listing of all would sort the whole table for every page, and one that
        // skips other reasons would read all of them where the wanted one is rare; so rare that SQLite takes the second index.
        var states = query.States.Count > 0 ? query.States.Distinct() : Enum.GetValues<UnmatchedState>();
        var plus = query.OrderId is null ? "" : "+";
        var kinds = states.Select(state => $"{plus}state = '{state.ToText()}'").SelectMany(state => query.Reasons.Count == 0
            ? [state]
            : query.Reasons.Distinct().Select(reason => $"{state} AND likelihood({plus}reason = '{reason.ToAttribute()}', 0.001)"));
        var selects = kinds.Select(kind =>
            $"SELECT {Columns} FROM unmatched_payments WHERE {kind} AND {Condition(query)}"
            + (continues ? $" AND (publish_time, order_id, payment_key) {(query.NewestFirst ? '<' : '>')} (?4, ?5, ?6)" : ""));
        var direction = query.NewestFirst ? " DESC" : "";
        return string.Join(" UNION ALL ", selects) + $" ORDER BY publish_time{direction}, order_id{direction}, payment_key{direction} LIMIT ?1";
    }

    /// <summary>The rows that a query asks for, counted by hour of publish time, reason and state.</summary>
    public List<UnmatchedCount> Count(UnmatchedQuery query)
    {
        const long Hour = UnmatchedCount.MicrosPerHour;
        var states = AndIn("state", query.States.Select(state => state.ToText()));
        var reasons = AndIn("reason", query.Reasons.Select(reason => reason.ToAttribute()));
        using var count = new Statement(
            _connection,
            $"SELECT publish_time - (publish_time % {Hour} + {Hour}) % {Hour} AS hour, reason, state, count(*) FROM unmatched_payments"
            + $" WHERE {Condition(query)}{reasons}{states} GROUP BY hour, reason, state");
        Bind(count, query);
        var counts = new List<UnmatchedCount>();
        while (count.Step())
        {
            try
            {
                counts.Add(new UnmatchedCount(
                    count.Int64(0), DeadLetterReasons.OfRow(count.Text(1)), UnmatchedStates.OfRow(count.Text(2)), count.Int64(3)));
            }
            catch (StoreRejectedException unknown)
            {
                _undecodable.Skip($"{count.Int64(3)} rows: {unknown.Message}");
            }
        }

        return counts;
    }

    /// <summary>One page of the unjoined payments, by key, after the row with the given key.</summary>
    public List<(UnjoinedPayment Payment, string Key)> UnjoinedPage((long OrderId, string Key)? after, int size)
    {
        using var list = new Statement(_connection, UnjoinedPageSql(after is not null));
        list.Bind(1, size);
        if (after is { } last)
        {
            list.Bind(2, last.OrderId).Bind(3, last.Key);
        }

        var page = new List<(UnjoinedPayment, string)>();
        while (list.Step())
        {
            page.Add((new UnjoinedPayment(list.Int64(0), UnmatchedStates.OfRow(list.Text(2)), list.Int64(3)), list.Text(1)));
        }

        return page;
    }

    /// <summary>The statement of <see cref="UnjoinedPage"/>: the number of rows, and the last key of the page before.</summary>
    internal static string UnjoinedPageSql(bool continues) =>
        $"""
        SELECT order_id, payment_key, state, publish_time FROM unmatched_payments
        WHERE {_unjoinedByKey}
            {(continues ? "AND (order_id, payment_key) > (?2, ?3)" : "")}
        ORDER BY order_id, payment_key LIMIT ?1
        """;

    /// <summary>Deletes rows that no order would heal any more and that last changed before a time.</summary>
    /// <param name="changedBeforeMicros">Microseconds since the Unix epoch.</param>
    /// <param name="limit">At most so many.</param>
    /// <returns>How many there were.</returns>
    public int DeleteFinished(long changedBeforeMicros, int limit)
    {
        _deleteFinished.Bind(1, changedBeforeMicros).Bind(2, limit).Execute();
        return SQLitePCL.raw.sqlite3_changes(_connection.Handle);
    }

    // Nothing where no value is asked for.
    private static string AndIn(string column, IEnumerable<string> values)
    {
        var list = string.Join(", ", values.Select(value => $"'{value}'"));
        return list.Length > 0 ? $" AND {column} IN ({list})" : "";
    }

    private static string Condition(UnmatchedQuery query) =>
        "publish_time BETWEEN ?7 AND ?2"
        + (query.OrderId is null ? "" : " AND order_id = ?3");

    private static void Bind(Statement statement, UnmatchedQuery query)
    {
        statement.Bind(2, query.PublishedUntilMicros).Bind(7, query.PublishedFromMicros);
        if (query.OrderId is { } orderId)
        {
            statement.Bind(3, orderId);
        }
    }

    private int Read(Statement statement, List<UnmatchedPayment> rows)
    {
        try
        {
            return ReadAll(statement, rows).Count;
        }
        finally
        {
            statement.Reset();
        }
    }

    public void Dispose()
    {
        _upsert.Dispose();
        _readByOrder.Dispose();
        _readByKey.Dispose();
        _readUnjoined.Dispose();
        _deleteFinished.Dispose();
    }

    // How many rows there were, the undecodable ones included, and the place of the last one.
    private (int Count, UnmatchedCursor? Last) ReadAll(Statement statement, List<UnmatchedPayment> rows)
    {
        var count = 0;
        UnmatchedCursor? last = null;
        while (statement.Step())
        {
            count++;
            last = new UnmatchedCursor(statement.Int64(3), statement.Int64(0), statement.Text(1));
            try
            {
                rows.Add(Row(statement));
            }
            catch (StoreRejectedException unknown)
            {
                _undecodable.Skip($"order_id {statement.Int64(0)}, payment_key '{statement.Text(1)}': {unknown.Message}");
            }
        }

        return (count, last);
    }

    private static UnmatchedPayment Row(Statement row) => new()
    {
        OrderId = row.Int64(0),
        PaymentKey = row.Text(1),
        Data = row.Blob(2).ToArray(),
        PublishTimeMicros = row.Int64(3),
        MessageId = row.Text(4),
        Subscription = row.Text(5),
        Reason = DeadLetterReasons.OfRow(row.Text(6)),
        State = UnmatchedStates.OfRow(row.Text(7)),
        SinceMicros = row.Int64(8),
        ChangedMicros = row.Int64(9),
        Detail = row.Text(10),
        Replays = (int)row.Int64(11),
        AttributesJson = row.Text(12),
        History = row.Text(13),
    };
}
