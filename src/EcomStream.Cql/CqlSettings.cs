namespace EcomStream.Cql;

/// <summary>How to reach a cluster and how requests are sent to it.</summary>
public record CqlSettings
{
    /// <summary>Nodes to begin with, each "host", "host:port" or "[address]:port". The others are learned from them.</summary>
    public IReadOnlyList<string> ContactPoints { get; init; } = ["127.0.0.1:9042"];

    /// <summary>The datacenter whose nodes coordinate. It may be empty where the cluster has only one.</summary>
    public string LocalDatacenter { get; init; } = "";

    /// <summary>The keyspace.</summary>
    public string Keyspace { get; init; } = "ecom_store";

    /// <summary>Role for PasswordAuthenticator; empty where the server asks for none.</summary>
    public string Username { get; init; } = "";

    /// <summary>The role's password. It is in no log and no error.</summary>
    public string Password { get; init; } = "";

    /// <summary>TLS; null for none.</summary>
    public CqlTls? Tls { get; init; }

    /// <summary>How many replicas must confirm a write or answer a read.</summary>
    public Consistency Consistency { get; init; } = Consistency.LocalQuorum;

    /// <summary>Whether frames are compressed with LZ4. Worth it across a network, not on loopback.</summary>
    public bool Compression { get; init; }

    /// <summary>Connections to each node.</summary>
    public int ConnectionsPerNode { get; init; } = 1;

    /// <summary>Requests under way on one connection; whoever wants more waits. 1 to 32,768.</summary>
    public int MaxInFlight { get; init; } = 1_024;

    /// <summary>How long a connection may take to open.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a request may take in all, from the call to the answer, whichever nodes are asked.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a schema change may take. It is sent to one node only.</summary>
    public TimeSpan SchemaTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// A node is passed over while it has sent nothing for this long although requests are under way on it, and its
    /// writes are sent to another node as well; zero for never.
    /// </summary>
    public TimeSpan SilentNodeDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>A connection that was silent for so long is asked whether it is there; no answer in as long again closes it.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>First delay before a lost connection is made again; it doubles up to <see cref="ReconnectMaxBackoff"/>.</summary>
    public TimeSpan ReconnectMinBackoff { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest delay.</summary>
    public TimeSpan ReconnectMaxBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A read that has no answer after this is sent to a second node as well; zero for never.</summary>
    public TimeSpan SpeculativeReadDelay { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The protocol version to speak, so that a test can ask for the older one; 0 to agree on the newest.</summary>
    internal byte ProtocolVersion { get; init; }
}
