using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using EcomStream.Simulation;

var from = new Option<int>("--from") { Description = "The first seed", DefaultValueFactory = _ => 1 };
var seeds = new Option<int>("--seeds") { Description = "How many seeds, from the first one on", DefaultValueFactory = _ => 1_000 };
var workers = new Option<int>("--workers") { Description = "Processes that share them", DefaultValueFactory = _ => 1 };
var seed = new Option<int?>("--seed") { Description = "One seed instead" };
var isTraced = new Option<bool>("--trace") { Description = "Print everything that happens; with --seed" };
var repeat = new Option<bool>("--repeat") { Description = "Run every seed twice: the traces must be the same" };
var untilFound = new Option<bool>("--until-found") { Description = "Stop at the first seed that finds something" };
var withoutPublishes = new Option<string>("--without-publishes") { Description = "Publish requests to leave out; with --seed", DefaultValueFactory = _ => "" };
var withoutFaults = new Option<string>("--without-faults") { Description = "Faults to leave out; with --seed", DefaultValueFactory = _ => "" };
var command = new RootCommand("Runs the pipeline in one thread under virtual time, with a load and faults that a seed chooses, and checks the result. Exit code 1: a fault was found.")
{
    from, seeds, workers, seed, isTraced, repeat, untilFound, withoutPublishes, withoutFaults,
};
command.SetAction(arguments =>
{
    var one = arguments.GetValue(seed);
    return one is { } only
        ? RunOne(
            new Scenario(only) { WithoutPublishes = Numbers(arguments.GetValue(withoutPublishes)!), WithoutFaults = Numbers(arguments.GetValue(withoutFaults)!) },
            arguments.GetValue(isTraced))
        : arguments.GetValue(workers) > 1
            ? RunInProcesses(arguments.GetValue(from), arguments.GetValue(seeds), arguments.GetValue(workers), arguments.GetValue(repeat))
            : RunMany(arguments.GetValue(from), arguments.GetValue(seeds), arguments.GetValue(repeat), arguments.GetValue(untilFound));
});
return command.Parse(args).Invoke();

static int RunOne(Scenario scenario, bool isTraced)
{
    var outcome = Simulator.Run(scenario, isTraced ? Console.Out : null);
    Console.WriteLine($"seed {scenario.Seed}: {outcome.Fault ?? "nothing found"}; {outcome.Steps} steps, {outcome.VirtualTime} of virtual time, trace {outcome.Hash}");
    return outcome.Fault is null ? 0 : 1;
}

static int RunMany(int from, int count, bool repeat, bool untilFound)
{
    var clock = Stopwatch.StartNew();
    var (failed, steps) = (0, 0L);
    for (var number = from; number < from + count; number++)
    {
        var outcome = Simulator.Run(new Scenario(number));
        steps += outcome.Steps;
        if (repeat && Simulator.Run(new Scenario(number)).Hash != outcome.Hash)
        {
            failed++;
            Console.WriteLine($"seed {number}: two runs have different traces");
        }

        if (outcome.Fault is { } fault)
        {
            failed++;
            Console.WriteLine($"seed {number}: {fault}");
            if (untilFound)
            {
                return 1;
            }

            if (failed <= 3)
            {
                var shorter = Simulator.Shrink(outcome);
                Console.WriteLine($"  shorter: --seed {number} --without-publishes \"{string.Join(',', shorter.Scenario.WithoutPublishes.Order())}\" --without-faults \"{string.Join(',', shorter.Scenario.WithoutFaults.Order())}\" --trace");
                Console.WriteLine($"  finds: {shorter.Fault}");
            }
        }
    }

    Console.WriteLine($"{count} seeds from {from}: {failed} failed, {steps} steps, {clock.Elapsed.TotalSeconds:0.0} s");
    return failed == 0 ? 0 : 1;
}

// One process has one thread; more of them use more cores.
static int RunInProcesses(int from, int count, int workers, bool repeat)
{
    var parts = Enumerable.Range(0, workers).Select(worker =>
    {
        var (first, next) = (from + (int)((long)count * worker / workers), from + (int)((long)count * (worker + 1) / workers));
        var start = new ProcessStartInfo(Environment.ProcessPath!);
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(Simulator).Assembly.Location);
        }

        foreach (var argument in (string[])["--from", Text(first), "--seeds", Text(next - first), .. repeat ? ["--repeat"] : Array.Empty<string>()])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }).ToList();
    foreach (var part in parts)
    {
        part.WaitForExit();
    }

    return parts.Max(part => part.ExitCode);
}

static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

static HashSet<int> Numbers(string text) =>
    [.. text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
