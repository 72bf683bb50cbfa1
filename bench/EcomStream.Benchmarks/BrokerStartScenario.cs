using System.Diagnostics;
using System.Runtime;
using EcomStream.PubSub.Broker;

namespace EcomStream.Benchmarks;

/// <summary>How long a broker in memory takes to listen, which a test waits for.</summary>
internal static class BrokerStartScenario
{
    public static async Task RunAsync(int runs)
    {
        var times = new List<double>();
        var compiling = TimeSpan.Zero;
        for (var run = 0; run <= runs; run++)
        {
            var clock = Stopwatch.StartNew();
            await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { InMemory = true });
            times.Add(clock.Elapsed.TotalMilliseconds);
            compiling = run == 0 ? JitInfo.GetCompilationTime() : compiling;
        }

        Console.WriteLine($"first {times[0]:0} ms, {compiling.TotalMilliseconds:0} ms of it compiling, then median {times.Skip(1).Order().ElementAt(runs / 2):0} ms of {runs} on {Environment.ProcessorCount} cores");
    }
}
