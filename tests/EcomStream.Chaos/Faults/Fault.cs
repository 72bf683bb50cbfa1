namespace EcomStream.Chaos.Faults;

/// <summary>A fault of one round, as the seed chooses it.</summary>
/// <param name="Kind">What goes wrong.</param>
/// <param name="After">How long after the round before.</param>
/// <param name="Duration">How long it lasts, where it lasts.</param>
internal sealed record Fault(FaultKind Kind, TimeSpan After, TimeSpan Duration)
{
    /// <summary>Which of the nodes of a cluster it is about, from 0 to 1.</summary>
    public double Choice { get; init; }

    /// <summary>Processes that it kills.</summary>
    public int Kills => Kind switch
    {
        FaultKind.KillHost or FaultKind.KillBroker or FaultKind.KillStore or FaultKind.KillNode or FaultKind.KillCoordinator => 1,
        FaultKind.KillBoth => 2,
        _ => 0,
    };

    /// <summary>Chooses the fault of a round.</summary>
    /// <param name="seed">The same seed and round give the same fault.</param>
    /// <param name="round">The number of the round.</param>
    /// <param name="bounds">What may be chosen.</param>
    public static Fault Choose(int seed, int round, FaultBounds bounds)
    {
        var random = new Random(unchecked((seed * 1_000_003) + round));
        var kinds = bounds.Weights.Where(weight => weight.Value > 0).ToList();
        var roll = random.Next(kinds.Sum(weight => weight.Value));
        var kind = kinds.First(weight => (roll -= weight.Value) < 0).Key;

        // Most rounds are short, so that processes are also killed while they start.
        var after = bounds.LongestDelay * Math.Pow(random.NextDouble(), 2);
        var duration = kind is FaultKind.SlowConnections or FaultKind.StallConnections or FaultKind.HalfOpenConnections or FaultKind.PauseHost or FaultKind.PauseBroker
            or FaultKind.PauseNode or FaultKind.DivideNetwork
            ? TimeSpan.FromSeconds(1) + ((bounds.LongestPause - TimeSpan.FromSeconds(1)) * Math.Pow(random.NextDouble(), 2))
            : TimeSpan.Zero;
        return new Fault(kind, after, duration) { Choice = random.NextDouble() };
    }

    public override string ToString() => Duration > TimeSpan.Zero ? $"{Kind} for {Duration.TotalSeconds:0.0} s" : $"{Kind}";
}

/// <summary>What faults may be chosen.</summary>
/// <param name="LongestDelay">The longest time between two rounds.</param>
/// <param name="LongestPause">The longest time that a fault lasts.</param>
/// <param name="Weights">How often each kind is chosen, relative to the others.</param>
internal sealed record FaultBounds(TimeSpan LongestDelay, TimeSpan LongestPause, IReadOnlyDictionary<FaultKind, int> Weights)
{
    /// <summary>Mostly kills, as the test of kills wants them.</summary>
    public static IReadOnlyDictionary<FaultKind, int> MostlyKills { get; } = new Dictionary<FaultKind, int>
    {
        [FaultKind.KillHost] = 40,
        [FaultKind.KillBroker] = 25,
        [FaultKind.KillBoth] = 8,
        [FaultKind.TerminateHost] = 5,
        [FaultKind.TerminateBroker] = 4,
        [FaultKind.PauseHost] = 4,
        [FaultKind.PauseBroker] = 3,
        [FaultKind.CutConnections] = 4,
        [FaultKind.StallConnections] = 2,
        [FaultKind.SlowConnections] = 2,
        [FaultKind.HalfOpenConnections] = 3,
    };

    /// <summary>What the host lives through: whatever it leaks adds up.</summary>
    public static IReadOnlyDictionary<FaultKind, int> HostLives { get; } = new Dictionary<FaultKind, int>
    {
        [FaultKind.KillBroker] = 5,
        [FaultKind.TerminateBroker] = 5,
        [FaultKind.PauseHost] = 10,
        [FaultKind.PauseBroker] = 10,
        [FaultKind.CutConnections] = 20,
        [FaultKind.StallConnections] = 10,
        [FaultKind.SlowConnections] = 10,
        [FaultKind.HalfOpenConnections] = 10,
    };

    /// <summary>What happens to a cluster.</summary>
    public static IReadOnlyDictionary<FaultKind, int> OfCluster { get; } = new Dictionary<FaultKind, int>
    {
        [FaultKind.KillNode] = 25,
        [FaultKind.KillCoordinator] = 25,
        [FaultKind.PauseNode] = 15,
        [FaultKind.DivideNetwork] = 15,
        [FaultKind.RestartNodes] = 5,
        [FaultKind.ScaleNodes] = 5,
        [FaultKind.KillBroker] = 10,
    };

    /// <summary>What is possible where the broker is not ours to kill, and where there is a store's server to kill.</summary>
    public static IReadOnlyDictionary<FaultKind, int> Possible(IReadOnlyDictionary<FaultKind, int> weights, bool hasBroker, bool hasStore)
    {
        var possible = new Dictionary<FaultKind, int>(weights);
        if (!hasBroker)
        {
            foreach (var kind in new[] { FaultKind.KillBroker, FaultKind.KillBoth, FaultKind.TerminateBroker, FaultKind.PauseBroker })
            {
                possible.Remove(kind);
            }
        }

        if (hasStore)
        {
            possible[FaultKind.KillStore] = 5;
        }

        return possible;
    }
}
