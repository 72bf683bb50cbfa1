using EcomStream.Cql;

namespace EcomStream.Cassandra;

/// <summary>How to reach Cassandra, the names of the tables, and how the facts are written.</summary>
public sealed record CassandraSettings : CqlSettings
{
    /// <summary>The defaults.</summary>
    public CassandraSettings()
    {
    }

    /// <summary>The defaults over the settings of a client.</summary>
    public CassandraSettings(CqlSettings client)
        : base(client)
    {
    }

    /// <summary>The facts table.</summary>
    public string FactsTable { get; init; } = "orders_payments_facts";

    /// <summary>The table of unmatched payments.</summary>
    public string UnmatchedTable { get; init; } = "unmatched_payments";

    /// <summary>The table that tells which process joins a subscription.</summary>
    public string OwnersTable { get; init; } = "subscription_owners";

    /// <summary>
    /// Rows in one unlogged batch at most; 1 sends each row by itself. Cassandra warns, in its log and in each answer,
    /// of more partitions than its unlogged_batch_across_partitions_warn_threshold, which is 10, and more are no faster.
    /// </summary>
    public int BatchRows { get; init; } = 10;

    /// <summary>Bytes of values in one unlogged batch at most. Cassandra logs a warning above 5 KiB of its own count.</summary>
    public int BatchBytes { get; init; } = 3_000;

    /// <summary>
    /// Added to the stamp of each message to make the write timestamp of its columns. Other programs write the facts at the
    /// current time; without an offset, the tombstones of their nulls and deletes would hide a payment that was published
    /// before them and is written after them. It must be longer than the age of any message that is still processed, and
    /// the same for all processes that write the table.
    /// </summary>
    public TimeSpan WriteTimestampOffset { get; init; } = TimeSpan.FromDays(366);

    /// <summary>Rows on one page when the unmatched payments are listed. Cassandra may limit it (page_size_fail_threshold).</summary>
    public int PageSize { get; init; } = 1_000;

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
    /// full. A row takes some 500 bytes for <see cref="RewriteWindow"/> and twice <see cref="CqlSettings.HeartbeatInterval"/>.
    /// </summary>
    public long RewriteBytes { get; init; } = 512L << 20;

    /// <summary>Whether the store creates missing tables and columns, and the keyspace where <see cref="Replication"/> is set.</summary>
    public bool CreateSchema { get; init; } = true;

    /// <summary>
    /// Replication of a keyspace that is created, as in CQL, such as <c>{'class': 'NetworkTopologyStrategy', 'dc1': 3}</c>.
    /// Without it no keyspace is created.
    /// </summary>
    public string Replication { get; init; } = "";
}
