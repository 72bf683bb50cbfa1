using System.Globalization;
using Microsoft.Data.Sqlite;

namespace EcomStream.Chaos.Checking;

/// <summary>Reads the file of the embedded store, while EcomStream writes to it.</summary>
internal sealed class SqliteRows(string file) : IRowReader
{
    public async Task<(IReadOnlyDictionary<long, FactRow> Facts, IReadOnlyList<UnmatchedRow> Unmatched)> ReadAsync(
        long firstOrder, long lastOrder, CancellationToken cancellationToken)
    {
        if (!File.Exists(file))
        {
            return (new Dictionary<long, FactRow>(), []);
        }

        await using var connection = new SqliteConnection($"Data Source={file};Mode=ReadOnly;Pooling=False;Default Timeout=30");
        await connection.OpenAsync(cancellationToken);
        var facts = new Dictionary<long, FactRow>();
        var unmatched = new List<UnmatchedRow>();
        using (var command = Command(connection, $"SELECT order_id, {string.Join(", ", IRowReader.FactColumns)} FROM orders_payments_facts", firstOrder, lastOrder))
        using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                facts[reader.GetInt64(0)] = new FactRow(reader.GetInt64(0), [.. IRowReader.FactColumns.Select((_, i) => Text(reader.GetValue(i + 1)))]);
            }
        }

        using (var command = Command(connection, "SELECT order_id, payment_key, state, reason FROM unmatched_payments", firstOrder, lastOrder))
        using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                unmatched.Add(new UnmatchedRow(reader.GetInt64(0), reader.GetString(1), reader.GetString(2), reader.GetString(3)));
            }
        }

        return (facts, unmatched);
    }

    private static SqliteCommand Command(SqliteConnection connection, string select, long firstOrder, long lastOrder)
    {
        var command = connection.CreateCommand();
        command.CommandText = $"{select} WHERE order_id BETWEEN $first AND $last ORDER BY order_id";
        command.Parameters.AddWithValue("$first", firstOrder);
        command.Parameters.AddWithValue("$last", lastOrder);
        return command;
    }

    // A price that is a whole number is written like the JSON number that it was.
    private static string? Text(object value) => value switch
    {
        DBNull => null,
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };
}
