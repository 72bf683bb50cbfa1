namespace EcomStream.Hosting;

/// <summary>How well something works.</summary>
internal enum HealthState
{
    /// <summary>It works.</summary>
    Ok,

    /// <summary>It works, but not as well as it should; an operator should look.</summary>
    Degraded,

    /// <summary>It does not work.</summary>
    Failed,
}

/// <summary>The result of one check.</summary>
/// <param name="Name">What was checked.</param>
/// <param name="State">How well it works.</param>
/// <param name="Reason">What is wrong and what to do, or what was found.</param>
internal sealed record HealthEntry(string Name, HealthState State, string Reason);

/// <summary>The results of all checks.</summary>
/// <param name="Entries">One for each check.</param>
internal sealed record HealthReport(IReadOnlyList<HealthEntry> Entries)
{
    /// <summary>The worst state of any check.</summary>
    public HealthState State => Entries.Max(entry => entry.State);

    /// <summary>Whether the process does its work.</summary>
    public bool IsReady => State != HealthState.Failed;

    /// <summary>What is not as it should be, worst first.</summary>
    public IEnumerable<HealthEntry> Problems =>
        Entries.Where(entry => entry.State != HealthState.Ok).OrderByDescending(entry => entry.State);
}
