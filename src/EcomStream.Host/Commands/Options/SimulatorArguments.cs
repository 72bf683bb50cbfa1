using System.CommandLine;

namespace EcomStream.Host.Commands;

/// <summary>The simulator's options, which demo and produce share.</summary>
internal sealed class SimulatorArguments(int orders, int payments, double rate, double orphans, double malformed, double duplicates, double reordered)
{
    private readonly Option<int> _orders = Number("--orders", orders, "Orders, numbered from 1");
    private readonly Option<int> _payments = Number("--payments", payments, "Payments, for orders numbered from 1");
    private readonly Option<double> _rate = new("--rate") { Description = "Messages per second; 0 for as fast as it goes", DefaultValueFactory = _ => rate };
    private readonly Option<int> _seed = Number("--seed", 1, "The same seed gives the same messages");
    private readonly Option<double> _duplicates = Share("--duplicates", duplicates, "Share of messages that are published twice");
    private readonly Option<double> _reordered = Share("--reordered", reordered, "Share of messages that are held back behind up to 200 others");
    private readonly Option<double> _malformed = Share("--malformed", malformed, "Share of malformed messages, published beside the others");
    private readonly Option<double> _orphans = Share("--orphans", orphans, "Share of payments without an order, published beside the others");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _orders, _payments, _rate, _seed, _duplicates, _reordered, _malformed, _orphans })
        {
            command.Options.Add(option);
        }
    }

    public double Rate(ParseResult result) => result.GetValue(_rate);

    public SimulatorOptions Read(ParseResult result, ProduceSequence sequence) => new()
    {
        Orders = result.GetValue(_orders),
        Payments = result.GetValue(_payments),
        Seed = result.GetValue(_seed),
        Duplicates = result.GetValue(_duplicates),
        Reordered = result.GetValue(_reordered),
        Malformed = result.GetValue(_malformed),
        Orphans = result.GetValue(_orphans),
        Sequence = sequence,
    };

    private static Option<int> Number(string name, int value, string description)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 0)
            {
                result.AddError($"{name} must not be negative.");
            }
        });
        return option;
    }

    private static Option<double> Share(string name, double value, string description)
    {
        var option = new Option<double>(name) { Description = $"{description}, 0 to 1", DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is < 0 or > 1 or double.NaN)
            {
                result.AddError($"{name} must be 0 to 1.");
            }
        });
        return option;
    }
}
