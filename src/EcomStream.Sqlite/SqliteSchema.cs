using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>
/// The tables. <c>orders_payments_facts</c> has exactly the columns that other readers know; the stamps of its two
/// sides stand in a table beside it.
/// </summary>
internal static class SqliteSchema
{
    private static readonly string[] FactColumns =
    [
        "order_id", "customer_id", "item", "quantity", "price", "shipping_address", "order_status", "creation_date",
        "payment_id", "payment_method", "card_last_four", "payment_status", "payment_datetime",
    ];

    /// <summary>The rows that an order would heal, as <c>UnmatchedStates.IsHealable</c> says it. The index needs the same words.</summary>
    public const string Healable = "(state = 'waiting' OR (state = 'dead-lettered' AND reason = 'no-matching-order'))";

    /// <summary>The rows of unjoined payments, as <c>UnmatchedStates.IsUnjoined</c> says it.</summary>
    public const string Unjoined = "(state = 'waiting' OR (state IN ('dead-lettered', 'discarded') AND reason = 'no-matching-order'))";

    private const string Create = $$"""
        CREATE TABLE IF NOT EXISTS orders_payments_facts (
            order_id INTEGER PRIMARY KEY,
            customer_id INTEGER,
            item TEXT,
            quantity INTEGER,
            price REAL,
            shipping_address TEXT,
            order_status TEXT,
            creation_date TEXT,
            payment_id INTEGER,
            payment_method TEXT,
            card_last_four TEXT,
            payment_status TEXT,
            payment_datetime TEXT
        );
        CREATE TABLE IF NOT EXISTS orders_payments_stamps (
            order_id INTEGER PRIMARY KEY,
            order_stamp INTEGER,
            payment_stamp INTEGER,
            payment_detail_stamp INTEGER
        );
        CREATE TABLE IF NOT EXISTS unmatched_payments (
            order_id INTEGER NOT NULL,
            payment_key TEXT NOT NULL,
            data BLOB NOT NULL,
            publish_time INTEGER NOT NULL,
            message_id TEXT NOT NULL,
            subscription TEXT NOT NULL,
            reason TEXT NOT NULL,
            state TEXT NOT NULL,
            since INTEGER NOT NULL,
            changed INTEGER NOT NULL,
            detail TEXT NOT NULL,
            replays INTEGER NOT NULL,
            attributes TEXT NOT NULL DEFAULT '{}',
            history TEXT NOT NULL DEFAULT '',
            PRIMARY KEY (order_id, payment_key)
        ) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS clean_stops (subscription TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS unmatched_payments_by_state ON unmatched_payments (state, publish_time);
        CREATE INDEX IF NOT EXISTS unmatched_payments_by_reason ON unmatched_payments (state, reason, publish_time);
        CREATE INDEX IF NOT EXISTS unmatched_payments_by_change ON unmatched_payments (changed)
            WHERE NOT {{Healable}};
        """;

    // What a file of an earlier version lacks.
    private static readonly (string Column, string Definition)[] _addedColumns =
    [
        ("attributes", "TEXT NOT NULL DEFAULT '{}'"),
        ("history", "TEXT NOT NULL DEFAULT ''"),
    ];

    public static void Apply(SqliteConnection connection)
    {
        Execute(connection, Create);
        if (!Columns(connection, "orders_payments_stamps").Contains("payment_detail_stamp"))
        {
            Execute(connection, "ALTER TABLE orders_payments_stamps ADD COLUMN payment_detail_stamp INTEGER");
        }

        var columns = Columns(connection, "unmatched_payments");
        foreach (var (column, definition) in _addedColumns)
        {
            if (!columns.Contains(column))
            {
                Execute(connection, $"ALTER TABLE unmatched_payments ADD COLUMN {column} {definition}");
            }
        }
    }

    /// <summary>The facts table's missing columns, for an error. Other programs may have added columns of their own.</summary>
    public static IReadOnlyList<string> Differences(SqliteConnection connection)
    {
        var found = Columns(connection, "orders_payments_facts");
        return
        [
            .. FactColumns.Except(found).Select(column => $"{column} is missing"),
        ];
    }

    private static void Execute(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private static List<string> Columns(SqliteConnection connection, string table)
    {
        using var list = connection.CreateCommand();
        list.CommandText = $"SELECT name FROM pragma_table_info('{table}')";
        var found = new List<string>();
        using var reader = list.ExecuteReader();
        while (reader.Read())
        {
            found.Add(reader.GetString(0));
        }

        return found;
    }
}
