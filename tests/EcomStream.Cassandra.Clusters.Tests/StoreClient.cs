using EcomStream.Hosting;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>Makes stores of the client that the environment names, as the processes of these tests do: docs/clients.md.</summary>
internal static class StoreClient
{
    private const string Variable = "ECOMSTREAM__STORE__CASSANDRA__CLIENT";

    /// <summary>The client under test.</summary>
    public static ClientKind Kind => ClientKindReader.Required(
        Enum.Parse<ClientKind>(Environment.GetEnvironmentVariable(Variable) ?? nameof(ClientKind.Native), ignoreCase: true),
        Variable,
        ClientKindReader.HasOfficialClients);

    /// <summary>Makes a store.</summary>
    public static CassandraFactStore Create(CassandraSettings settings) => Clients.Store(Kind, settings);
}
