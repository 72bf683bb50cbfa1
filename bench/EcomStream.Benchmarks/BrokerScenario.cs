using System.Diagnostics;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Host;
using EcomStream.Hosting;
using EcomStream.PubSub;
using Google.Cloud.PubSub.V1;
using Grpc.Net.Client;

namespace EcomStream.Benchmarks;

/// <summary>
/// The broker as a process of its own, with fsync = interval, and a client in this process: publishing orders of about
/// 200 bytes in batches of 500, the same 100,000 orders over and over, and draining them with acks through
/// StreamingPull. The same on any other server.
/// </summary>
internal static class BrokerScenario
{
    private const int BatchSize = 500;
    private const int Publishers = 4;

    // Of what is published or drained, each measured by itself.
    private const int Parts = 5;

    /// <summary>Publishes and drains, on the broker and on another server, one after the other in the same run.</summary>
    /// <param name="runs">How often.</param>
    /// <param name="otherEndpoint">host:port of the other server.</param>
    /// <param name="published">Messages that each run publishes and deletes.</param>
    /// <param name="drained">Messages that each run drains; none with 0.</param>
    public static async Task CompareAsync(int runs, string otherEndpoint, int published, int drained)
    {
        var ratios = new List<(double Publish, double Drain)>();

        // Both are processes that live through all runs. The first run warms them, and this one, and does not count.
        using var folder = new BrokerProcess.Folder();
        using var broker = BrokerProcess.Start(folder.Path);
        var endpoint = await broker.EndpointAsync();
        for (var run = 0; run <= runs; run++)
        {
            var ours = await MeasureAsync("broker", endpoint, published, drained, () => broker.Cpu);
            var other = await MeasureAsync("other", otherEndpoint, published, drained, () => TimeSpan.Zero);
            ratios.Add((ours.Publish / other.Publish, ours.Drain / other.Drain));
            Console.WriteLine($"  times the other: {Times(ratios[^1])}{(run == 0 ? "   (that was the warm-up)" : "")}");
        }

        var counted = ratios.Skip(1).ToList();
        Console.WriteLine(
            $"median of {runs} runs on {Environment.ProcessorCount} cores, times the other: {Times((Median(counted.Select(r => r.Publish)), Median(counted.Select(r => r.Drain))))}");

        string Times((double Publish, double Drain) ratio) =>
            $"published {ratio.Publish:0.0}" + (drained > 0 ? $", drained {ratio.Drain:0.0}" : "");
    }

    /// <summary>
    /// Publishes and drains with the native and with the official client on one broker, in turns: rates, and the CPU and
    /// the memory of the process that the client runs in.
    /// </summary>
    /// <param name="runs">How often.</param>
    /// <param name="messages">Messages that each run publishes and drains.</param>
    public static async Task CompareClientsAsync(int runs, int messages)
    {
        using var folder = new BrokerProcess.Folder();
        using var broker = BrokerProcess.Start(folder.Path);
        var endpoint = await broker.EndpointAsync();
        var results = new Dictionary<ClientKind, List<(double Rate, double Cpu, double Bytes)>[]>
        {
            [ClientKind.Native] = [[], []],
            [ClientKind.Official] = [[], []],
        };
        for (var run = 0; run <= runs; run++)
        {
            foreach (var (kind, measured) in results)
            {
                await using var client = await Client.ConnectAsync(endpoint, $"bench-{Guid.NewGuid():n}", kind);
                var published = await MeasureClientAsync(messages, client.PublishAsync);
                var drained = await MeasureClientAsync(messages, client.DrainAsync);
                await client.DeleteAsync();
                Console.WriteLine($"  {kind,-8} published {Text(published)}; drained {Text(drained)}{(run == 0 ? "   (that was the warm-up)" : "")}");
                if (run > 0)
                {
                    measured[0].Add(published);
                    measured[1].Add(drained);
                }
            }
        }

        foreach (var (kind, measured) in results)
        {
            Console.WriteLine($"median of {runs} runs on {Environment.ProcessorCount} cores, {kind,-8} published {Text(Medians(measured[0]))}; drained {Text(Medians(measured[1]))}");
        }

        static string Text((double Rate, double Cpu, double Bytes) result) =>
            $"{result.Rate,8:N0} messages/s, {result.Cpu:0.0} us of CPU and {result.Bytes:N0} bytes allocated a message";

        static (double Rate, double Cpu, double Bytes) Medians(List<(double Rate, double Cpu, double Bytes)> results) =>
            (Median(results.Select(r => r.Rate)), Median(results.Select(r => r.Cpu)), Median(results.Select(r => r.Bytes)));
    }

    /// <summary>A backlog that is larger than the broker's memory: held, opened again, drained and reclaimed.</summary>
    /// <param name="messages">Its messages.</param>
    public static async Task BacklogAsync(int messages)
    {
        using var folder = new BrokerProcess.Folder();
        long peak;
        using (var broker = BrokerProcess.Start(folder.Path))
        {
            await using var client = await Client.ConnectAsync(await broker.EndpointAsync(), "bench");
            for (var part = 0; part < Parts; part++)
            {
                var rate = await client.PublishAsync(messages / Parts);
                Console.WriteLine($"  published {(part + 1) * (messages / Parts),10:N0}: {rate,10:N0} messages/s   broker's working set {Megabytes(broker.WorkingSet)}   on disk {Megabytes(folder.Size)}");
            }

            peak = broker.PeakWorkingSet;
            broker.Kill();
        }

        var opening = Stopwatch.StartNew();
        using (var broker = BrokerProcess.Start(folder.Path))
        {
            var endpoint = await broker.EndpointAsync();
            Console.WriteLine($"  killed, and listening again after {opening.Elapsed.TotalSeconds:0.0} s, the start of the process included");
            await using var client = await Client.ConnectAsync(endpoint, "bench");
            for (var part = 0; part < Parts; part++)
            {
                var rate = await client.DrainAsync(messages / Parts);
                Console.WriteLine($"  drained   {(part + 1) * (messages / Parts),10:N0}: {rate,10:N0} messages/s   broker's working set {Megabytes(broker.WorkingSet)}   on disk {Megabytes(folder.Size)}");
            }

            var reclaiming = Stopwatch.StartNew();
            while (folder.Size > 2 * (64 << 20) && reclaiming.Elapsed < TimeSpan.FromSeconds(30))
            {
                await Task.Delay(100);
            }

            peak = Math.Max(peak, broker.PeakWorkingSet);
        }

        Console.WriteLine($"  reclaimed: {Megabytes(folder.Size)} on disk; the broker's peak working set {Megabytes(peak)}");
    }

    private static async Task<(double Publish, double Drain)> MeasureAsync(string name, string endpoint, int published, int drained, Func<TimeSpan> serverCpu)
    {
        var (publish, drain) = (0.0, 0.0);
        await using (var client = await Client.ConnectAsync(endpoint, $"bench-{Guid.NewGuid():n}"))
        {
            // In parts, to show whether the rate depends on how much the server holds already.
            var part = published / Parts;
            var (clientBefore, serverBefore) = (Environment.CpuUsage.TotalTime, serverCpu());
            var rates = new List<double>();
            for (var i = 0; i < Parts; i++)
            {
                rates.Add(await client.PublishAsync(part));
            }

            var (clientCpu, cpu) = (Environment.CpuUsage.TotalTime - clientBefore, serverCpu() - serverBefore);
            publish = Parts / rates.Sum(rate => 1 / rate);
            Console.WriteLine(
                $"  {name,-8} published {publish,10:N0} messages/s, each {part:N0} at {string.Join(", ", rates.Select(rate => $"{rate:N0}"))}; us of CPU a message: the client's {clientCpu.TotalMicroseconds / published:0.00}{(cpu > TimeSpan.Zero ? $", the broker's {cpu.TotalMicroseconds / published:0.00}" : "")}");
            await client.DeleteAsync();
        }

        if (drained > 0)
        {
            await using var client = await Client.ConnectAsync(endpoint, $"bench-{Guid.NewGuid():n}");
            await client.PublishAsync(drained);
            drain = await client.DrainAsync(drained);
            Console.WriteLine($"  {name,-8} drained   {drain,10:N0} messages/s");
            await client.DeleteAsync();
        }

        return (publish, drain);
    }

    private static async Task<(double Rate, double Cpu, double Bytes)> MeasureClientAsync(int messages, Func<int, Task<double>> work)
    {
        GC.Collect();
        var (cpu, bytes) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes());
        var rate = await work(messages);
        return (rate, (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / messages, (double)(GC.GetTotalAllocatedBytes() - bytes) / messages);
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    private static string Megabytes(long bytes) => $"{bytes / (1024.0 * 1024.0):N0} MiB";

    /// <summary>A client with a topic and a subscription of its own.</summary>
    private sealed class Client : IAsyncDisposable
    {
        private const string Topic = "orders_data";
        private const string SubscriptionName = "orders_data-sub";

        private static readonly OutgoingMessage[][] _orders = [.. new Simulator(
            new SimulatorOptions { Orders = 100_000, Payments = 0, Sequence = ProduceSequence.Interleaved })
            .Messages().Select(message => new OutgoingMessage(message.Data, Delivery.NoAttributes)).Chunk(BatchSize)];

        private readonly PubSubConnection _connection;
        private readonly IPublisher _publisher;
        private readonly ISubscription _subscription;
        private readonly CancellationTokenSource _stop = new();
        private readonly IAsyncEnumerator<IReadOnlyList<Delivery>> _deliveries;
        private int _ahead;

        private Client(PubSubConnection connection, ClientKind kind)
        {
            _connection = connection;
            _publisher = Clients.Publisher(kind, connection);
            _subscription = Clients.Subscription(kind, connection, SubscriptionName);
            _deliveries = _subscription.ReceiveAsync(_stop.Token).GetAsyncEnumerator();
        }

        public static async Task<Client> ConnectAsync(string endpoint, string project, ClientKind kind = ClientKind.Native)
        {
            var settings = PubSubSettings.Read(
                ConfigurationFactory.ParseString($"ecomstream.pubsub.project-id = {project}").WithFallback(PubSubSettings.Reference), endpoint);
            var connection = PubSubConnection.Create(settings);
            var admin = new PubSubAdmin(connection);
            await admin.EnsureTopicAsync(Topic, CancellationToken.None);
            await admin.EnsureSubscriptionAsync(SubscriptionName, Topic, CancellationToken.None);
            return new Client(connection, kind);
        }

        /// <param name="count">A multiple of the size of a batch.</param>
        /// <returns>Messages a second.</returns>
        public async Task<double> PublishAsync(int count)
        {
            // They are made now, if they have not been, and not while the clock runs.
            var orders = _orders;
            var (next, last) = (0, count / BatchSize);
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(Enumerable.Range(0, Publishers).Select(_ => Task.Run(async () =>
            {
                while (Interlocked.Increment(ref next) is var taken && taken <= last)
                {
                    await _publisher.PublishAsync(Topic, orders[taken % orders.Length], CancellationToken.None);
                }
            })));
            return count / clock.Elapsed.TotalSeconds;
        }

        public async Task<double> DrainAsync(int count)
        {
            var clock = Stopwatch.StartNew();
            var seen = _ahead;
            while (seen < count)
            {
                if (!await _deliveries.MoveNextAsync())
                {
                    throw new InvalidOperationException("The subscription ended.");
                }

                foreach (var delivery in _deliveries.Current)
                {
                    delivery.Ack();
                }

                seen += _deliveries.Current.Count;
            }

            // What is acked is drained, not what was received.
            await _subscription.FlushAsync(CancellationToken.None);
            _ahead = seen - count;
            return count / clock.Elapsed.TotalSeconds;
        }

        /// <summary>Deletes the topic and the subscription, with what they hold.</summary>
        public async Task DeleteAsync()
        {
            var settings = _connection.Settings;
            using var channel = GrpcChannel.ForAddress($"http://{settings.EmulatorHost}");
            await new Subscriber.SubscriberClient(channel).DeleteSubscriptionAsync(
                new DeleteSubscriptionRequest { Subscription = settings.SubscriptionName(SubscriptionName) });
            await new Publisher.PublisherClient(channel).DeleteTopicAsync(new DeleteTopicRequest { Topic = settings.TopicName(Topic) });
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _deliveries.DisposeAsync();
            await _subscription.DisposeAsync();
            await _publisher.DisposeAsync();
            _connection.Dispose();
            _stop.Dispose();
        }
    }
}
