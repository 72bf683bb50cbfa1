using EcomStream.Cql.Cluster;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cql.TestSupport;

/// <summary>The real Cassandra that whoever runs the tests has started, one node or several, as role admin/admin.</summary>
internal static class CassandraServer
{
    public const string Variable = "ECOMSTREAM_TEST_CASSANDRA";

    public static bool IsThere => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Its host:port; the test is skipped where there is none.</summary>
    public static string Endpoint
    {
        get
        {
            var endpoint = Environment.GetEnvironmentVariable(Variable);
            Skip.If(string.IsNullOrEmpty(endpoint), $"needs Apache Cassandra with the role admin/admin: start one and set {Variable}=host:port");
            return endpoint!;
        }
    }

    public static CqlSettings Settings => new()
    {
        ContactPoints = [Endpoint],
        Username = "admin",
        Password = "admin",
        Keyspace = "ecomstream_test",
    };

    public static Task<CqlSession> ConnectAsync(CqlSettings? settings = null) =>
        CqlSession.ConnectAsync(settings ?? Settings, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
}
