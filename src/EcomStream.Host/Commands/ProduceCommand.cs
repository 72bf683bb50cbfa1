using System.CommandLine;
using System.Diagnostics;
using EcomStream.PubSub;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream produce</c>: the simulator against any Pub/Sub.</summary>
internal static class ProduceCommand
{
    private const string DefaultEndpoint = "127.0.0.1:8085";

    public static Command Create()
    {
        var common = new CommonOptions();
        var simulator = new SimulatorArguments(orders: 80, payments: 500, rate: 0, orphans: 0, malformed: 0, duplicates: 0, reordered: 0);
        var sequence = new Option<ProduceSequence>("--sequence")
        {
            Description = "OrdersFirst, PaymentsFirst or Interleaved",
            DefaultValueFactory = _ => ProduceSequence.OrdersFirst,
        };
        var command = new Command("produce", $"Publish simulated orders and payments to PUBSUB_EMULATOR_HOST, to the endpoint in --config, or to {DefaultEndpoint}") { sequence };
        simulator.AddTo(command);
        common.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            if (settings.PubSub is { EmulatorHost.Length: 0, ServiceEndpoint.Length: 0 })
            {
                settings = settings with { PubSub = settings.PubSub with { EmulatorHost = DefaultEndpoint } };
            }

            using var loggers = LoggerFactory.Create(Logging.ToConsole(LogLevel.Warning));
            using var connection = await PubSubConnection.OpenAsync(settings.PubSub, loggers, cancellationToken: stop);
            await Setup.CreateMissingAsync(settings, connection, loggers, stop);
            await using var publisher = new PubSubPublisher(connection);
            var shop = new Simulator(simulator.Read(result, result.GetValue(sequence)));
            var producer = new Producer(publisher, settings.OrdersTopic, settings.PaymentsTopic);
            var clock = Stopwatch.StartNew();
            await producer.RunAsync(shop.Messages(), simulator.Rate(result), stop);
            Console.WriteLine(
                $"published {producer.PublishedOrders} orders and {producer.PublishedPayments} payments to {settings.PubSub.Endpoint} in {clock.Elapsed.TotalSeconds:0.0} s "
                + $"({shop.Malformed} malformed, {shop.Orphans} without an order among them)");
            return Exit.Ok;
        }));
        return command;
    }
}
