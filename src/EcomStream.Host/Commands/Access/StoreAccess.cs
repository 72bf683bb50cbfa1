using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary>Opens the store for a command that is not a pipeline: it must exist already.</summary>
internal static class StoreAccess
{
    /// <exception cref="UsageException">The store does not exist.</exception>
    public static async Task<IFactStore> OpenAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        if (settings.StoreKind == StoreKind.Sqlite && !File.Exists(settings.StorePath))
        {
            throw new UsageException($"There is no store at {settings.StorePath}. Give the folder of a run with --data.");
        }

        var store = Stores.Create(settings);
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
