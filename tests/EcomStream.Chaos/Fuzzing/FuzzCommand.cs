using System.CommandLine;
using EcomStream.Chaos.Fuzzing.Targets;

namespace EcomStream.Chaos.Fuzzing;

/// <summary><c>fuzz</c>: seeded inputs to everything that reads what others wrote.</summary>
internal static class FuzzCommand
{
    // Made when they are used: a broker starts with some of them.
    private static readonly (string Name, Func<IFuzzTarget> Create)[] _targets =
    [
        ("order-json", () => new OrderTarget()),
        ("payment-json", () => new PaymentTarget()),
        ("publish-request", () => new PublishTarget()),
        ("broker-calls", () => new BrokerCallTarget()),
        ("broker-files", () => new BrokerFilesTarget()),
        ("cql", () => new CqlTarget()),
        ("hocon", () => new HoconTarget()),
        ("command-line", () => new CommandLineTarget()),
        ("dlq-import", () => new ImportTarget()),
    ];

    public static Command Create()
    {
        var inputs = new Option<long>("--inputs") { Description = "Inputs over all targets", DefaultValueFactory = _ => 100_000 };
        var seed = new Option<int>("--seed") { Description = "The same seed and number give the same input", DefaultValueFactory = _ => 1 };
        var target = new Option<string[]>("--target") { Description = $"Only these targets: {string.Join(", ", _targets.Select(one => one.Name))}", DefaultValueFactory = _ => [] };
        target.AcceptOnlyFromAmong([.. _targets.Select(one => one.Name)]);
        var number = new Option<long?>("--number") { Description = "Only this input of a target" };
        var command = new Command("fuzz", "Hands mutated inputs to codecs, parsers, the broker and its files. Exit code 1: a fault was found.") { inputs, seed, target, number };
        command.SetAction(async (arguments, _) =>
            await RunAsync(arguments.GetValue(seed), arguments.GetValue(inputs), Console.Out, arguments.GetValue(target), arguments.GetValue(number)) ? 0 : 1);
        return command;
    }

    /// <summary>Runs inputs against targets.</summary>
    /// <param name="seed">The same seed and number give the same input.</param>
    /// <param name="inputs">Inputs over all targets.</param>
    /// <param name="output">For the report.</param>
    /// <param name="wanted">Names of targets; null or empty for all.</param>
    /// <param name="number">Only this input; null for all.</param>
    /// <returns>Whether nothing was found.</returns>
    public static async Task<bool> RunAsync(int seed, long inputs, TextWriter output, string[]? wanted = null, long? number = null)
    {
        var targets = _targets.Where(one => wanted is null or [] || wanted.Contains(one.Name)).Select(one => one.Create()).ToList();
        try
        {
            return new FuzzRun(seed, inputs, output).Run(targets, number);
        }
        finally
        {
            foreach (var one in targets)
            {
                await one.DisposeAsync();
            }
        }
    }
}
