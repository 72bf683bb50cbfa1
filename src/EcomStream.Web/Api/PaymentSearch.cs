using EcomStream.Core;
using EcomStream.Hosting;
using Microsoft.Data.Sqlite;

namespace EcomStream.Web;

/// <summary>Finds the orders that have a payment, on a connection of its own that cannot write.</summary>
internal static class PaymentSearch
{
    private const int Limit = 20;

    /// <summary>Returns the orders, and whether the whole table was searched; it is not on Cassandra.</summary>
    /// <exception cref="StoreUnavailableException">The file cannot be read.</exception>
    public static async Task<(IReadOnlyList<long> Orders, bool IsComplete)> FindOrdersAsync(HostSettings settings, long paymentId, CancellationToken stop)
    {
        if (settings.StoreKind != StoreKind.Sqlite || !File.Exists(settings.StorePath))
        {
            return ([], settings.StoreKind == StoreKind.Sqlite);
        }

        try
        {
            // A thread of the pool: SQLite's calls do not await.
            return (await Task.Run(() => Find(settings.StorePath, paymentId), stop), true);
        }
        catch (SqliteException error)
        {
            throw new StoreUnavailableException($"Searching {settings.StorePath}: {error.Message}", error);
        }
    }

    private static List<long> Find(string path, long paymentId)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText =
            """
            SELECT order_id FROM orders_payments_facts WHERE payment_id = $number
            UNION SELECT order_id FROM unmatched_payments WHERE payment_key = $key
            LIMIT $limit
            """;
        command.Parameters.AddWithValue("$number", paymentId);
        command.Parameters.AddWithValue("$key", paymentId.ToString(System.Globalization.CultureInfo.InvariantCulture));
        command.Parameters.AddWithValue("$limit", Limit);
        var orders = new List<long>();
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            orders.Add(reader.GetInt64(0));
        }

        return orders;
    }
}
