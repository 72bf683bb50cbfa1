using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.PubSub;
using Microsoft.Extensions.Logging;
#if OFFICIAL_CLIENTS
using EcomStream.DataStax;
using EcomStream.GoogleCloud;
#endif

namespace EcomStream.Hosting;

/// <summary>
/// Makes the clients that the settings name. Settings that ask for a client which this build lacks are rejected when they
/// are read.
/// </summary>
internal static class Clients
{
    /// <summary>A subscription.</summary>
    /// <param name="kind">Which client.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="name">Its short name in the configured project, or its full name.</param>
    public static ISubscription Subscription(ClientKind kind, PubSubConnection connection, string name) => kind switch
    {
#if OFFICIAL_CLIENTS
        ClientKind.Official => new GoogleCloudSubscription(connection, name),
#endif
        _ => new PubSubSubscription(connection, name),
    };

    /// <summary>A publisher.</summary>
    /// <param name="kind">Which client.</param>
    /// <param name="connection">The connection.</param>
    public static IPublisher Publisher(ClientKind kind, PubSubConnection connection) => kind switch
    {
#if OFFICIAL_CLIENTS
        ClientKind.Official => new GoogleCloudPublisher(connection),
#endif
        _ => new PubSubPublisher(connection),
    };

    /// <summary>A store on Cassandra.</summary>
    /// <param name="kind">Which client.</param>
    /// <param name="settings">Where and how.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <exception cref="StoreRejectedException">The settings cannot be used.</exception>
    public static CassandraFactStore Store(ClientKind kind, CassandraSettings settings, ILoggerFactory? loggers = null) => kind switch
    {
#if OFFICIAL_CLIENTS
        ClientKind.Official => DataStaxStore.Create(settings, loggers),
#endif
        _ => new CassandraFactStore(settings, loggers),
    };

    /// <summary>The schema tools of a store on Cassandra.</summary>
    /// <param name="kind">Which client.</param>
    /// <param name="settings">Where and how.</param>
    public static CassandraAdmin Admin(ClientKind kind, CassandraSettings settings) => kind switch
    {
#if OFFICIAL_CLIENTS
        ClientKind.Official => DataStaxStore.CreateAdmin(settings),
#endif
        _ => new CassandraAdmin(settings),
    };
}
