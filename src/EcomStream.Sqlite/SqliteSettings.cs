namespace EcomStream.Sqlite;

/// <summary>What a commit of the embedded store survives.</summary>
public enum SqliteDurability
{
    /// <summary>
    /// The commit is handed to the operating system: it survives a crash or kill of the process, not a power cut.
    /// </summary>
    Normal,

    /// <summary>Every commit is synced to the disk: it survives a power cut too, at a fraction of the speed.</summary>
    Full,
}

/// <summary>Where and how the embedded store keeps its file.</summary>
/// <param name="Path">Path of the database file; its folder must exist or be creatable.</param>
public sealed record SqliteSettings(string Path)
{
    /// <summary>What a commit survives.</summary>
    public SqliteDurability Durability { get; init; } = SqliteDurability.Normal;

    /// <summary>How long a statement waits for another program's lock before the store counts as unavailable.</summary>
    public TimeSpan BusyTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Whether only one process may open the file with this set. A process that joins messages must be the only one on its
    /// file: it keeps in memory what the rows hold. Commands that read or edit rows open the file beside it.
    /// </summary>
    public bool Exclusive { get; init; }

    /// <summary>SQLite's VFS, so that a test can choose one without shared memory; null for the platform's.</summary>
    internal string? Vfs { get; init; }

    /// <summary>How long the row of a payment that no order would heal any more is kept; zero for ever.</summary>
    public TimeSpan FinishedTtl { get; init; } = TimeSpan.FromDays(30);
}
