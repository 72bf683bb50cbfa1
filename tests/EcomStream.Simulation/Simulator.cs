namespace EcomStream.Simulation;

/// <summary>The outcome of one simulation.</summary>
/// <param name="Seed">Its seed.</param>
/// <param name="Hash">A hash of its trace.</param>
/// <param name="Steps">Its steps.</param>
/// <param name="VirtualTime">How much virtual time has passed.</param>
/// <param name="Fault">What it has found; null for nothing.</param>
internal sealed record Outcome(int Seed, string Hash, long Steps, TimeSpan VirtualTime, string? Fault);

/// <summary>Runs simulations.</summary>
internal static class Simulator
{
    private const long MostSteps = 2_000_000;

    /// <summary>Runs one.</summary>
    /// <param name="seed">Its seed.</param>
    /// <param name="lines">Where its trace goes; null for nowhere.</param>
    /// <param name="change">Makes the scenario smaller.</param>
    public static Outcome Run(int seed, TextWriter? lines = null, Action<Scenario>? change = null)
    {
        var trace = new Trace(lines);
        var loop = new SimulationLoop(seed, trace, MostSteps);
        string? fault = null;
        try
        {
            var scenario = new Scenario(loop.Random);
            change?.Invoke(scenario);
            lines?.WriteLine($"seed {seed}: {scenario}");
            var world = new SimulatedWorld(loop, scenario);
            try
            {
                loop.Run();
            }
            catch (Exception found)
            {
                fault = found is SimulationFailedException ? found.Message : found.ToString();
            }

            world.Process?.Crash();
        }
        catch (Exception broken)
        {
            fault ??= broken.ToString();
        }

        return new Outcome(seed, trace.Hash, loop.Steps, TimeSpan.FromMicroseconds(loop.Now), fault);
    }
}
