using System.CommandLine;
using System.Diagnostics;
using EcomStream.Host.Cli;
using EcomStream.PubSub;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream produce</c>: the simulator against any Pub/Sub.</summary>
internal static class ProduceCommand
{
    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var simulator = new SimulatorArguments(orders: 80, payments: 500, rate: 0, orphans: 0, malformed: 0, duplicates: 0, reordered: 0);
        var sequence = Options.Choice("--sequence", ProduceSequence.OrdersFirst, "Order in which messages are published");
        var production = new Option<bool>("--allow-production")
        {
            Description = "Publish simulated messages even if the configuration names Google Cloud Pub/Sub instead of an emulator",
        };
        var command = new Command(
            "produce", "Publish the orders and payments of a simulated shop to an emulator, or else to the embedded broker of the data folder")
        {
            sequence, production,
        };
        simulator.AddTo(command);
        common.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            var pubSub = Target(settings, result.GetValue(production));
            using var loggers = LoggerFactory.Create(Logging.ToConsole(LogLevel.Warning));
            using var connection = await PubSubConnection.OpenAsync(pubSub, loggers, cancellationToken: stop);
            var shop = new Simulator(simulator.Read(result, result.GetValue(sequence)));
            await Setup.CreateMissingAsync(settings, connection, loggers, stop);
            await using var publisher = Clients.Publisher(settings.PubSubClient, connection);
            var producer = new Producer(publisher, settings.OrdersTopic, settings.PaymentsTopic);
            var clock = Stopwatch.StartNew();
            try
            {
                using var progress = new ProgressReport(context, "published", shop.Total);
                await producer.RunAsync(shop.Messages(), simulator.Rate(result), stop, () => progress.Report(shop.Given));
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                throw new CommandInterruptedException($"published {Summary()}");
            }

            await context.Out.WriteLineAsync($"published {Summary()}");
            return Exit.Ok;

            string Summary() =>
                $"{producer.PublishedOrders} orders and {producer.PublishedPayments} payments to {pubSub.Endpoint} in {clock.Elapsed.TotalSeconds:0.0} s "
                + $"({shop.Malformed} malformed, {shop.Orphans} without an order among them)";
        });
    }

    /// <summary>Where to publish: an emulator, or the broker that runs on the data folder, or where its settings say that it will.</summary>
    /// <exception cref="UsageException">It would be Google Cloud Pub/Sub, and that is not allowed.</exception>
    internal static PubSubSettings Target(HostSettings settings, bool allowProduction)
    {
        if (settings.PubSub.EmulatorHost.Length > 0)
        {
            return settings.PubSub;
        }

        if (settings.RunsBroker)
        {
            var address = settings.BrokerHost is "0.0.0.0" or "::" ? "127.0.0.1" : settings.BrokerHost;
            return settings.PubSub with { EmulatorHost = BrokerEndpointFile.Read(settings) ?? $"{address}:{settings.BrokerPort}" };
        }

        return allowProduction
            ? settings.PubSub
            : throw new UsageException(
                $"The configuration names {settings.PubSub.Endpoint}, project {settings.PubSub.ProjectId}. Set PUBSUB_EMULATOR_HOST to publish simulated messages to an emulator, or give --allow-production.");
    }
}
