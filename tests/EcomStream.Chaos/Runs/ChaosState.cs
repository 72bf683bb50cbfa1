using System.Text.Json;
using EcomStream.Chaos.Faults;

namespace EcomStream.Chaos.Runs;

/// <summary>A range of orders that was checked, and what the rows were then: they must stay so.</summary>
internal sealed record CheckedRange(long First, long Last, string Hash);

/// <summary>How far a run has come, for one that is spread over several calls. It is written at checkpoints.</summary>
internal sealed record ChaosState
{
    /// <summary>The name of its file in the folder of the run.</summary>
    public const string FileName = "state.json";

    // Each call takes its ids from a range of its own.
    private const long OrdersPerCall = 100_000_000;
    private static readonly JsonSerializerOptions _json = new() { WriteIndented = true };

    public required int Seed { get; init; }

    /// <summary>The keyspace on Cassandra.</summary>
    public required string Keyspace { get; init; }

    /// <summary>Calls that have begun.</summary>
    public int Calls { get; set; }

    public int Rounds { get; set; }

    public int Kills { get; set; }

    public long Published { get; set; }

    public long Orders { get; set; }

    public Dictionary<FaultKind, int> Faults { get; init; } = [];

    public Dictionary<string, long> DeadLetters { get; init; } = [];

    public List<CheckedRange> Checked { get; init; } = [];

    /// <summary>From each kill of a node until all of its shards ran on others, seconds.</summary>
    public List<double> TakeOverSeconds { get; init; } = [];

    /// <summary>Resident memory of the host at the first checkpoint, bytes.</summary>
    public long FirstHostBytes { get; set; }

    /// <summary>The largest resident memory of the host at a checkpoint, bytes.</summary>
    public long MaxHostBytes { get; set; }

    /// <summary>What was found; a run that has found something is not continued.</summary>
    public List<string> Problems { get; init; } = [];

    /// <summary>The id of the first order of the current call.</summary>
    public long FirstOrder => 1 + ((Calls - 1) * OrdersPerCall);

    /// <summary>The state in a file; null when there is none.</summary>
    public static ChaosState? Read(string file) => File.Exists(file) ? JsonSerializer.Deserialize<ChaosState>(File.ReadAllText(file)) : null;

    /// <summary>Replaces the file.</summary>
    public void Write(string file)
    {
        File.WriteAllText(file + ".new", JsonSerializer.Serialize(this, _json));
        File.Move(file + ".new", file, overwrite: true);
    }
}
