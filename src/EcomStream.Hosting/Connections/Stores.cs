using EcomStream.Core;
using EcomStream.Sqlite;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>Makes the fact store that the settings name.</summary>
internal static class Stores
{
    /// <param name="settings">The settings.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="isPipeline">Whether a pipeline writes to it: it may create the schema, and must be alone on a file.</param>
    /// <exception cref="StoreRejectedException">The settings cannot be used.</exception>
    public static IFactStore Create(HostSettings settings, ILoggerFactory? loggers = null, bool isPipeline = false) => settings.StoreKind switch
    {
        StoreKind.Cassandra => Clients.Store(settings.CassandraClient, settings.Cassandra with { CreateSchema = isPipeline && settings.Cassandra.CreateSchema }, loggers),
        _ => new SqliteFactStore(
            new SqliteSettings(settings.StorePath)
            {
                Durability = settings.SqliteDurability, FinishedTtl = settings.SqliteFinishedTtl, Exclusive = isPipeline,
            },
            loggers: loggers),
    };

    /// <summary>Where it is, for people.</summary>
    public static string Describe(HostSettings settings) => settings.StoreKind switch
    {
        StoreKind.Cassandra => $"Cassandra at {string.Join(", ", settings.Cassandra.ContactPoints)}, {settings.Cassandra.Keyspace}",
        _ => settings.StorePath,
    };
}
