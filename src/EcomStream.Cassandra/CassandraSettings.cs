namespace EcomStream.Cassandra;

/// <summary>Where Cassandra is, how to talk to it, and how the facts are written.</summary>
public sealed record CassandraSettings
{
    /// <summary>Nodes to begin with, each "host", "host:port" or "[address]:port". The others are learned from them.</summary>
    public IReadOnlyList<string> ContactPoints { get; init; } = ["127.0.0.1:9042"];

    /// <summary>The datacenter whose nodes coordinate; empty for that of the first contact point that answers.</summary>
    public string LocalDatacenter { get; init; } = "";

    /// <summary>The keyspace.</summary>
    public string Keyspace { get; init; } = "ecom_store";

    /// <summary>The facts table.</summary>
    public string FactsTable { get; init; } = "orders_payments_facts";

    /// <summary>The table of unmatched payments.</summary>
    public string UnmatchedTable { get; init; } = "unmatched_payments";

    /// <summary>Role for PasswordAuthenticator; empty where the server asks for none.</summary>
    public string Username { get; init; } = "";

    /// <summary>The role's password. It is in no log and no error.</summary>
    public string Password { get; init; } = "";

    /// <summary>TLS; null for none.</summary>
    public CassandraTls? Tls { get; init; }

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

    /// <summary>How long a node may take to answer before another one is asked.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A connection that was silent for so long is asked whether it is there; no answer in as long again closes it.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>First delay before a lost connection is made again; it doubles up to <see cref="ReconnectMaxBackoff"/>.</summary>
    public TimeSpan ReconnectMinBackoff { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest delay.</summary>
    public TimeSpan ReconnectMaxBackoff { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A read that has no answer after this is sent to a second node as well; zero for never.</summary>
    public TimeSpan SpeculativeReadDelay { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// Rows in one unlogged batch at most; 1 sends each row by itself. Cassandra warns, in its log and in each answer,
    /// of more partitions than its unlogged_batch_across_partitions_warn_threshold, which is 10, and more are no faster.
    /// </summary>
    public int BatchRows { get; init; } = 10;

    /// <summary>Bytes of values in one unlogged batch at most. Cassandra logs a warning above 5 KiB of its own count.</summary>
    public int BatchBytes { get; init; } = 3_000;

    /// <summary>Orders asked for in one read at most.</summary>
    public int ReadBatch { get; init; } = 40;

    /// <summary>The longest TTL that Cassandra takes (its MAX_TTL, 20 years of 365 days).</summary>
    public static TimeSpan LongestTtl { get; } = TimeSpan.FromDays(20 * 365);

    /// <summary>
    /// How long the row of a payment that was healed, discarded or superseded is kept, in whole seconds up to
    /// <see cref="LongestTtl"/>; zero for ever. Not after 2038-01-19, the last day that Cassandra 4 knows.
    /// </summary>
    public TimeSpan FinishedTtl { get; init; } = TimeSpan.FromDays(30);

    /// <summary>
    /// How long a write that Cassandra has confirmed may still be lost by a crash of the node, which is its
    /// commitlog_sync_period; what was confirmed since is written again when a node was lost. Zero where the commit log
    /// is synced before a write is confirmed. Where two replicas confirm each write it is not needed, and not done.
    /// </summary>
    public TimeSpan RewriteWindow { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Bytes of memory, as far as they can be estimated, for what may have to be written again; writes wait when it is
    /// full. A row takes some 500 bytes for <see cref="RewriteWindow"/> and twice <see cref="HeartbeatInterval"/>.
    /// </summary>
    public long RewriteBytes { get; init; } = 512L << 20;

    /// <summary>Whether the store makes what is missing of the schema.</summary>
    public bool CreateSchema { get; init; } = true;

    /// <summary>Replication of a keyspace that is made, as in CQL.</summary>
    public string Replication { get; init; } = "{'class': 'SimpleStrategy', 'replication_factor': 1}";

    /// <summary>The protocol version to speak, so that a test can ask for the older one; 0 to agree on the newest.</summary>
    internal byte ProtocolVersion { get; init; }
}

/// <summary>TLS to the nodes.</summary>
public sealed record CassandraTls
{
    /// <summary>PEM file with the certificates to trust; empty for the machine's own.</summary>
    public string CaFile { get; init; } = "";

    /// <summary>PEM file with the client's certificate, and those between it and its authority behind it; empty for none.</summary>
    public string CertificateFile { get; init; } = "";

    /// <summary>PEM file with the client's private key; empty when it is in <see cref="CertificateFile"/>.</summary>
    public string KeyFile { get; init; } = "";

    /// <summary>Whether the node's certificate must carry the host that it was reached by.</summary>
    public bool VerifyHost { get; init; } = true;
}
