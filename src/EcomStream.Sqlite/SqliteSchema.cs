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

    private const string Create = """
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
            payment_stamp INTEGER
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
            PRIMARY KEY (order_id, payment_key)
        ) WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS unmatched_payments_by_state ON unmatched_payments (state, publish_time);
        """;

    public static void Apply(SqliteConnection connection)
    {
        using var create = connection.CreateCommand();
        create.CommandText = Create;
        create.ExecuteNonQuery();
    }

    /// <summary>The facts table's columns that are missing or too many, for an error; empty when it is as it should be.</summary>
    public static IReadOnlyList<string> Differences(SqliteConnection connection)
    {
        using var list = connection.CreateCommand();
        list.CommandText = "SELECT name FROM pragma_table_info('orders_payments_facts')";
        var found = new List<string>();
        using (var reader = list.ExecuteReader())
        {
            while (reader.Read())
            {
                found.Add(reader.GetString(0));
            }
        }

        return
        [
            .. FactColumns.Except(found).Select(column => $"{column} is missing"),
            .. found.Except(FactColumns).Select(column => $"{column} is unknown"),
        ];
    }
}
