using System.CommandLine;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary>The simulator's options, which demo and produce share.</summary>
internal sealed class SimulatorArguments(int orders, int payments, double rate, double orphans, double malformed, double duplicates, double reordered)
{
    private readonly Option<long> _orders = Options.Number("--orders", orders, "Number of orders; their ids begin at 1");
    private readonly Option<long> _payments = Options.Number("--payments", payments, "Number of payments, one per order id from 1");
    private readonly Option<double> _rate = Options.Rate("--rate", rate, "Messages per second; 0 for as fast as possible");
    private readonly Option<long> _seed = Options.Number("--seed", 1, "The same seed gives the same messages");
    private readonly Option<double> _duplicates = Options.Share("--duplicates", duplicates, "Share of messages that are published twice");
    private readonly Option<double> _reordered = Options.Share("--reordered", reordered, "Share of messages that are published late, after up to 200 others");
    private readonly Option<double> _malformed = Options.Share("--malformed", malformed, "Additional malformed messages, as a share of the messages");
    private readonly Option<double> _orphans = Options.Share("--orphans", orphans, "Additional payments without an order, as a share of the payments");

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
        Orders = (int)result.GetValue(_orders),
        Payments = (int)result.GetValue(_payments),
        Seed = (int)result.GetValue(_seed),
        Duplicates = result.GetValue(_duplicates),
        Reordered = result.GetValue(_reordered),
        Malformed = result.GetValue(_malformed),
        Orphans = result.GetValue(_orphans),
        Sequence = sequence,
    };
}
