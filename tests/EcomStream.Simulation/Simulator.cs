namespace EcomStream.Simulation;

/// <summary>The outcome of one simulation.</summary>
/// <param name="Scenario">Its scenario.</param>
/// <param name="Hash">A hash of its trace.</param>
/// <param name="Steps">Its steps.</param>
/// <param name="VirtualTime">How much virtual time has passed.</param>
/// <param name="Fault">What it has found; null for nothing.</param>
internal sealed record Outcome(Scenario Scenario, string Hash, long Steps, TimeSpan VirtualTime, string? Fault);

/// <summary>Runs simulations.</summary>
internal static class Simulator
{
    private const long MostSteps = 3_000_000;

    /// <summary>Runs one.</summary>
    /// <param name="scenario">Its scenario.</param>
    /// <param name="lines">Where its trace goes; null for nowhere.</param>
    public static Outcome Run(Scenario scenario, TextWriter? lines = null)
    {
        lines?.WriteLine($"seed {scenario.Seed}: {scenario}");
        var trace = new Trace(lines);
        var loop = new SimulationLoop(scenario.Seed, trace, MostSteps);
        string? fault = null;
        var world = new SimulatedWorld(loop, scenario);
        try
        {
            loop.Run();
        }
        catch (SimulationFailedException found)
        {
            fault = found.Message;
        }
        catch (Exception failure)
        {
            fault = failure.ToString();
        }

        world.Crash();
        return new Outcome(scenario, trace.Hash, loop.Steps, TimeSpan.FromMicroseconds(loop.Now), fault);
    }

    /// <summary>Leaves out publish requests and faults as long as something is still found.</summary>
    /// <param name="failed">A simulation that has found something.</param>
    /// <returns>The smallest one that was found.</returns>
    public static Outcome Shrink(Outcome failed)
    {
        var smallest = failed;
        for (var size = Math.Max(1, failed.Scenario.Publishes / 2); ; size /= 2)
        {
            smallest = LeaveOut(smallest, smallest.Scenario.Publishes, size, (scenario, left) => new Scenario(scenario.Seed)
            {
                WithoutPublishes = scenario.WithoutPublishes.Union(left).ToHashSet(),
                WithoutFaults = scenario.WithoutFaults,
            });
            smallest = LeaveOut(smallest, smallest.Scenario.Faults, Math.Min(size, 1), (scenario, left) => new Scenario(scenario.Seed)
            {
                WithoutPublishes = scenario.WithoutPublishes,
                WithoutFaults = scenario.WithoutFaults.Union(left).ToHashSet(),
            });
            if (size <= 1)
            {
                return smallest;
            }
        }
    }

    private static Outcome LeaveOut(Outcome smallest, int count, int size, Func<Scenario, IEnumerable<int>, Scenario> without)
    {
        for (var first = 0; first < count && size > 0; first += size)
        {
            var shorter = Run(without(smallest.Scenario, Enumerable.Range(first, Math.Min(size, count - first))));
            smallest = shorter.Fault is null ? smallest : shorter;
        }

        return smallest;
    }
}
