using EcomStream.Cassandra;
using Microsoft.Extensions.Logging;

namespace EcomStream.DataStax;

/// <summary>The fact store and its schema tools over the DataStax C# driver. Statements and mapping are those of EcomStream.Cassandra.</summary>
public static class DataStaxStore
{
    /// <summary>Makes a store; nothing is connected before it is initialized.</summary>
    /// <param name="settings">Where and how.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="Core.StoreRejectedException">A name in the settings is not valid in CQL.</exception>
    public static CassandraFactStore Create(CassandraSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null) =>
        new(settings, stop => DriverClient.ConnectAsync(settings, stop), loggers, time);

    /// <summary>The schema tools.</summary>
    /// <param name="settings">Where and how.</param>
    public static CassandraAdmin CreateAdmin(CassandraSettings settings) => new(settings, stop => DriverClient.ConnectAsync(settings, stop));
}
