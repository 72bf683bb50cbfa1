using System.Net.Security;
using System.Security.Authentication;
using Cassandra;
using Cassandra.Serialization;
using EcomStream.Cql;
using EcomStream.Cql.Protocol;

namespace EcomStream.DataStax;

/// <summary>The settings as the driver's options. docs/clients.md lists them side by side.</summary>
internal static class ClusterOptions
{
    /// <summary>The execution profile of reads: only these are sent to a second node when the first one is slow.</summary>
    public const string Reads = "reads";

    // Requests on a connection that are beyond the in-flight limit: those of the driver itself.
    private const int OwnRequests = 64;

    /// <summary>Makes a cluster; nothing is connected.</summary>
    /// <exception cref="CqlConnectionException">The name of a contact point is not known.</exception>
    public static async Task<global::Cassandra.Cluster> BuildAsync(
        CqlSettings settings, ILoadBalancingPolicy balancing, TlsHandshake? tls, CancellationToken cancellationToken)
    {
        var inFlight = settings.MaxInFlight * settings.ConnectionsPerNode;
        var tokenAware = new TokenAwarePolicy(balancing);
        var builder = global::Cassandra.Cluster.Builder()
            .WithApplicationName("EcomStream")
            .WithLoadBalancingPolicy(tokenAware)
            .WithCompression(settings.Compression ? CompressionType.LZ4 : CompressionType.NoCompression)
            .WithTypeSerializers(new TypeSerializerDefinitions().Define(new RawBigintSerializer()))
            .WithReconnectionPolicy(new ExponentialReconnectionPolicy(
                Milliseconds(settings.ReconnectMinBackoff), Milliseconds(settings.ReconnectMaxBackoff)))
            .WithMaxSchemaAgreementWaitSeconds(Math.Max(1, (int)settings.SchemaTimeout.TotalSeconds))
            .WithQueryTimeout(Milliseconds(settings.SchemaTimeout))
            .WithQueryOptions(new QueryOptions().SetConsistencyLevel(Level(settings.Consistency)).SetDefaultIdempotence(false))
            .WithSocketOptions(new SocketOptions()
                .SetConnectTimeoutMillis(Milliseconds(settings.ConnectTimeout))
                .SetReadTimeoutMillis(Milliseconds(settings.RequestTimeout))
                .SetTcpNoDelay(true))
            .WithPoolingOptions(new PoolingOptions()
                .SetCoreConnectionsPerHost(HostDistance.Local, settings.ConnectionsPerNode)
                .SetMaxConnectionsPerHost(HostDistance.Local, settings.ConnectionsPerNode)
                .SetMaxRequestsPerConnection(Math.Min(inFlight + OwnRequests, short.MaxValue))
                .SetHeartBeatInterval(Milliseconds(settings.HeartbeatInterval)))
            .WithExecutionProfiles(profiles => profiles.WithProfile(Reads, profile =>
            {
                if (settings.SpeculativeReadDelay > TimeSpan.Zero)
                {
                    profile.WithSpeculativeExecutionPolicy(new ConstantSpeculativeExecutionPolicy(Milliseconds(settings.SpeculativeReadDelay), 1));
                }
            }));
        foreach (var point in settings.ContactPoints.Select(ContactPoint.Parse))
        {
            builder.WithPort(point.Port).AddContactPoints(await point.ResolveAsync(cancellationToken));
        }

        if (settings.Username.Length > 0)
        {
            builder.WithCredentials(settings.Username, settings.Password);
        }

        if (tls is not null)
        {
            builder.WithSSL(Encryption(tls, settings));
        }

        return builder.Build();
    }

    /// <summary>The driver's level of the same name.</summary>
    public static ConsistencyLevel Level(Consistency consistency) => (ConsistencyLevel)(int)consistency;

    /// <summary>Milliseconds as the driver counts them, at least 1.</summary>
    public static int Milliseconds(TimeSpan time) => (int)Math.Clamp(time.TotalMilliseconds, 1, int.MaxValue);

    private static SSLOptions Encryption(TlsHandshake tls, CqlSettings settings)
    {
        var options = new SSLOptions(SslProtocols.None, checkCertificateRevocation: false, (_, certificate, chain, errors) => tls.Accepts(certificate, chain, errors))
            .SetHostNameResolver(address => NameOf(address, settings));
        return tls.ClientCertificate is { } own ? options.SetCertificateCollection([own]) : options;
    }

    // A certificate carries the name by which a node was reached; nodes that were learned from others have only addresses.
    private static string NameOf(System.Net.IPAddress address, CqlSettings settings) =>
        settings.ContactPoints.Select(ContactPoint.Parse).FirstOrDefault(point =>
            System.Net.Dns.GetHostAddresses(point.Host).Contains(address))?.Host ?? address.ToString();
}
