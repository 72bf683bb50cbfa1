using EcomStream.Core;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <content>Which subscriptions were left with nothing in flight.</content>
public sealed partial class SqliteFactStore : ICleanStopStore
{
    /// <inheritdoc/>
    public async ValueTask SetCleanStopAsync(string subscription, CancellationToken cancellationToken) =>
        await On(_writing, "Writing to", () => CleanStops("INSERT OR IGNORE INTO clean_stops (subscription) VALUES (?1)", subscription), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken) =>
        await On(_writing, "Writing to", () => CleanStops("DELETE FROM clean_stops WHERE subscription = ?1", subscription), cancellationToken) > 0;

    // Synced whatever the durability: a power cut that brought a deleted record back would make the next start wrong.
    private int CleanStops(string text, string subscription)
    {
        var connection = (_writer ?? throw NotInitialized()).Connection;
        Session.SetSynchronous(connection, SqliteDurability.Full);
        try
        {
            using var command = connection.CreateCommand();
            command.CommandText = text;
            command.Parameters.Add(new SqliteParameter("?1", subscription));
            return command.ExecuteNonQuery();
        }
        finally
        {
            Session.SetSynchronous(connection, _settings.Durability);
        }
    }
}
