using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.Sqlite;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host;

/// <summary>Which fact store a process writes to.</summary>
internal enum StoreKind
{
    Sqlite,
    Cassandra,
}

/// <summary>Makes the fact store that the settings name.</summary>
internal static class Stores
{
    /// <exception cref="StoreRejectedException">The settings cannot be used.</exception>
    public static IFactStore Create(HostSettings settings, ILoggerFactory? loggers = null) => settings.StoreKind switch
    {
        StoreKind.Cassandra => new CassandraFactStore(settings.Cassandra, loggers),
        _ => new SqliteFactStore(new SqliteSettings(settings.StorePath) { Durability = settings.SqliteDurability, FinishedTtl = settings.SqliteFinishedTtl }),
    };

    /// <summary>Where it is, for people.</summary>
    public static string Describe(HostSettings settings) => settings.StoreKind switch
    {
        StoreKind.Cassandra => $"Cassandra at {string.Join(", ", settings.Cassandra.ContactPoints)}, {settings.Cassandra.Keyspace}",
        _ => settings.StorePath,
    };
}
