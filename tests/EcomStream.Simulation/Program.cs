using System.Diagnostics;
using EcomStream.Simulation;

var (from, seeds, seed, traced) = (1, 100, -1, false);
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--from": from = int.Parse(args[++i]); break;
        case "--seeds": seeds = int.Parse(args[++i]); break;
        case "--seed": seed = int.Parse(args[++i]); break;
        case "--trace": traced = true; break;
    }
}

if (seed >= 0)
{
    var one = Simulator.Run(seed, traced ? Console.Out : null);
    Console.WriteLine($"seed {seed}: {one.Fault ?? "nothing found"}, {one.Steps} steps, {one.VirtualTime}, trace {one.Hash}");
    return one.Fault is null ? 0 : 1;
}

var clock = Stopwatch.StartNew();
var (failed, steps) = (0, 0L);
for (var s = from; s < from + seeds; s++)
{
    var outcome = Simulator.Run(s);
    steps += outcome.Steps;
    if (outcome.Fault is { } fault)
    {
        failed++;
        Console.WriteLine($"seed {s}: {fault}");
    }
}

Console.WriteLine($"{seeds} seeds, {failed} failed, {steps} steps, {clock.Elapsed.TotalSeconds:0.0} s");
return failed == 0 ? 0 : 1;
