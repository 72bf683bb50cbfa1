using EcomStream.Sqlite;

namespace EcomStream.Host.Commands;

/// <summary>Opens the store for a command that only looks: it must be there already.</summary>
internal static class StoreAccess
{
    /// <exception cref="UsageException">There is no store.</exception>
    public static async Task<SqliteFactStore> OpenAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        if (!File.Exists(settings.StorePath))
        {
            throw new UsageException($"There is no store at {settings.StorePath}. Give the folder of a run with --data.");
        }

        var store = new SqliteFactStore(new SqliteSettings(settings.StorePath) { Durability = settings.SqliteDurability });
        try
        {
            await store.InitializeAsync(cancellationToken);
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }
}
