using System.Diagnostics;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Host;
using EcomStream.Hosting;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Benchmarks;

/// <summary>
/// The process as <c>ecomstream run</c> starts it, with a backlog that was published before: embedded broker, gRPC over
/// loopback, join, SQLite file, acks.
/// </summary>
internal static class EmbeddedScenario
{
    public static async Task<double> RunAsync(int orders)
    {
        using var place = new Place();
        await PublishAsync(place.Settings, orders);
        var clock = Stopwatch.StartNew();
        var cpu = Process.GetCurrentProcess().TotalProcessorTime;
        await using (var process = await JoinProcess.StartAsync(place.Settings, Quiet, CancellationToken.None))
        {
            await process.Pipeline.Started;
            await UntilDrained(process, place.Settings);
            clock.Stop();
            cpu = Process.GetCurrentProcess().TotalProcessorTime - cpu;
        }

        var complete = place.CompleteRows();
        if (complete != orders)
        {
            throw new InvalidOperationException($"{complete} complete rows of {orders}");
        }

        var rate = 2.0 * orders / clock.Elapsed.TotalSeconds;
        Console.WriteLine($"  {rate,12:N0} messages/s   {clock.Elapsed.TotalSeconds:0.00} s   {cpu.TotalMicroseconds / (2.0 * orders):0.0} us of CPU per message");
        return rate;
    }

    public static async Task BacklogAsync(int orders, TimeSpan stopped)
    {
        using var place = new Place();
        await PublishAsync(place.Settings, orders);
        GC.Collect();
        Console.WriteLine($"  published {2 * orders:N0} messages; working set {Megabytes(Process.GetCurrentProcess().WorkingSet64)} (the publisher's, before)");
        await using var process = await JoinProcess.StartAsync(place.Settings, Quiet, CancellationToken.None);
        await process.Pipeline.Started;
        using (var intruder = new SqliteConnection($"Data Source={place.Settings.StorePath};Pooling=False"))
        {
            intruder.Open();
            using var begin = intruder.CreateCommand();
            begin.CommandText = "BEGIN IMMEDIATE";
            begin.ExecuteNonQuery();
            var clock = Stopwatch.StartNew();
            long peak = 0;
            while (clock.Elapsed < stopped)
            {
                await Task.Delay(500);
                using var self = Process.GetCurrentProcess();
                peak = Math.Max(peak, self.WorkingSet64);
            }

            var status = process.Pipeline.Status;
            Console.WriteLine(
                $"  store stopped for {stopped.TotalSeconds:0} s: {status.Orders.OutstandingMessages + status.Payments.OutstandingMessages:N0} messages outstanding, peak working set {Megabytes(peak)}");
        }

        var resumed = Stopwatch.StartNew();
        await UntilDrained(process, place.Settings);
        using var end = Process.GetCurrentProcess();
        Console.WriteLine(
            $"  store back: drained in {resumed.Elapsed.TotalSeconds:0.0} s, {place.CompleteRows():N0} complete rows, peak working set of all {Megabytes(end.PeakWorkingSet64)}");
    }

    /// <summary>Completes when at most <paramref name="atMost"/> messages of both subscriptions are unacked.</summary>
    public static async Task UntilDrained(JoinProcess process, HostSettings settings, long atMost = 0)
    {
        var names = new[] { settings.Pipeline.OrdersSubscription, settings.Pipeline.PaymentsSubscription }
            .Select(settings.PubSub.SubscriptionName)
            .ToArray();
        while (names.Sum(name => process.Broker!.GetSubscriptionStats(name)!.Value.Backlog) > atMost)
        {
            await Task.Delay(10);
            if (process.Pipeline.Completion.IsCompleted)
            {
                await process.Pipeline.Completion;
            }
        }
    }

    public static async Task PublishAsync(HostSettings settings, int orders)
    {
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = settings.BrokerDirectory });
        var pubsub = settings.PubSub with { EmulatorHost = broker.Endpoint };
        using var connection = PubSubConnection.Create(pubsub);
        await Setup.CreateMissingAsync(settings with { PubSub = pubsub }, connection, NullLoggerFactory.Instance, CancellationToken.None);
        await using var publisher = new PubSubPublisher(connection);
        var shop = new Simulator(new SimulatorOptions { Orders = orders, Payments = orders, Sequence = ProduceSequence.Interleaved });
        await new Producer(publisher, settings.OrdersTopic, settings.PaymentsTopic).RunAsync(shop.Messages(), rate: 0, CancellationToken.None);
    }

    public static void Quiet(ILoggingBuilder logging) => logging.SetMinimumLevel(LogLevel.Error);

    private static string Megabytes(long bytes) => $"{bytes / (1024.0 * 1024.0):N0} MiB";

    public sealed class Place : IDisposable
    {
        private readonly string _folder = Path.Combine(Path.GetTempPath(), $"ecomstream-bench-{Guid.NewGuid():n}");

        public Place() => Settings = HostSettings.Read(
            ConfigurationFactory.ParseString($"ecomstream {{ data-dir = \"{_folder}\", broker.port = 0 }}"), emulatorHost: null);

        public HostSettings Settings { get; }

        public long CompleteRows()
        {
            using var connection = new SqliteConnection($"Data Source={Settings.StorePath};Mode=ReadOnly;Pooling=False");
            connection.Open();
            using var count = connection.CreateCommand();
            count.CommandText = "SELECT count(*) FROM orders_payments_facts WHERE customer_id IS NOT NULL AND payment_id = order_id + 1000";
            return (long)count.ExecuteScalar()!;
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
