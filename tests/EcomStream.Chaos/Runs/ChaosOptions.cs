using EcomStream.Chaos.Faults;

namespace EcomStream.Chaos.Runs;

/// <summary>What a run does.</summary>
internal sealed record ChaosOptions
{
    /// <summary>The folder for the data, the logs and the state of a run that is continued later.</summary>
    public required string Directory { get; init; }

    /// <summary>Chooses faults and messages.</summary>
    public required int Seed { get; init; }

    /// <summary>kill -9 in all, over all continued runs.</summary>
    public int Kills { get; init; } = 100;

    /// <summary>Ends the run after this time as well, at the next checkpoint; null for no limit.</summary>
    public TimeSpan? Limit { get; init; }

    /// <summary>The time between two faults; null for the times that the seed chooses.</summary>
    public TimeSpan? FaultInterval { get; init; }

    /// <summary>Whether what the processes use is written to usage.csv in the folder.</summary>
    public bool LogsUsage { get; init; }

    /// <summary>Rounds between two checkpoints.</summary>
    public int RoundsPerCheckpoint { get; init; } = 20;

    /// <summary>New orders per second; there are about two messages per order.</summary>
    public double OrdersPerSecond { get; init; } = 150;

    /// <summary>The grace period of the pipeline.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(4);

    /// <summary>How long after the last fault the broker must have confirmed everything: clients wait longer after each failure.</summary>
    public TimeSpan ConfirmTime { get; init; } = TimeSpan.FromSeconds(400);

    /// <summary>How long after the last message everything must be settled.</summary>
    public TimeSpan SettleTime { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>The faults.</summary>
    public FaultBounds Faults { get; init; } = new(TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(20), FaultBounds.MostlyKills);

    /// <summary>The folder with the node_modules of the official clients; null for EcomStream's own publisher.</summary>
    public string? NodeFolder { get; init; }

    /// <summary>host:port of Google's emulator; null for the embedded broker in a process of its own.</summary>
    public string? Emulator { get; init; }

    /// <summary>host:port of Cassandra; null for SQLite.</summary>
    public string? Cassandra { get; init; }

    /// <summary>The keyspace there, which the run has for itself.</summary>
    public string Keyspace { get; init; } = "";

    /// <summary>The number of nodes of a cluster; 0 for a single host without one.</summary>
    public int Nodes { get; init; }

    /// <summary>The program that kills and starts nodes of Cassandra, as <c>ECOMSTREAM_TEST_CASSANDRA_CONTROL</c> does; null for none.</summary>
    public string? CassandraControl { get; init; }

    /// <summary>Order ids that are used again and again, so that the files have a bound; null for new ids only.</summary>
    public long? DistinctOrders { get; init; }
}
