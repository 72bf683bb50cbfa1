using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>Which client of a server is used.</summary>
internal enum ClientKind
{
    /// <summary>EcomStream's own.</summary>
    Native,

    /// <summary>The server's official one: Google.Cloud.PubSub.V1, or CassandraCSharpDriver.</summary>
    Official,
}

/// <summary>Reads which client a configuration asks for.</summary>
internal static class ClientKindReader
{
    /// <summary>Whether this build contains the official clients.</summary>
    public static bool HasOfficialClients =>
#if OFFICIAL_CLIENTS
        true;
#else
        false;
#endif

    /// <exception cref="ConfigurationException">The value is unknown, or this build lacks the official clients.</exception>
    public static ClientKind Read(SectionReader host, string path) => Required(host.OneOf<ClientKind>(path), $"ecomstream.{path}", HasOfficialClients);

    /// <summary>A client that a build contains.</summary>
    /// <param name="kind">The client that is asked for.</param>
    /// <param name="path">The path of the setting.</param>
    /// <param name="hasOfficialClients">Whether the build contains the official clients.</param>
    /// <exception cref="ConfigurationException">The build lacks it.</exception>
    internal static ClientKind Required(ClientKind kind, string path, bool hasOfficialClients) =>
        kind == ClientKind.Native || hasOfficialClients
            ? kind
            : throw new ConfigurationException(
                $"{path} = official: this build of EcomStream does not contain the official clients. Build it with 'dotnet build -p:OfficialClients=true' "
                + "(an image with '--build-arg OFFICIAL_CLIENTS=true'), or set it to native; see docs/clients.md.");
}
