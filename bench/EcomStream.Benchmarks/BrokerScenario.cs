using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Host;
using EcomStream.PubSub;

namespace EcomStream.Benchmarks;

/// <summary>
/// The broker as a process of its own, with fsync = interval, and a client in this process: publishing orders of about
/// 200 bytes in batches of 500, and draining them with acks through StreamingPull. The same on any other server.
/// </summary>
internal static class BrokerScenario
{
    private const int WarmUpMessages = 1_000_000;
    private const int BatchSize = 500;
    private const int Publishers = 4;

    /// <summary>Publishes and drains, on the broker and on another server, one after the other in the same run.</summary>
    /// <param name="runs">How often.</param>
    /// <param name="otherEndpoint">host:port of the other server; its topics stay.</param>
    /// <param name="messages">Messages of each run.</param>
    public static async Task CompareAsync(int runs, string otherEndpoint, int messages)
    {
        var ratios = new List<(double Publish, double Drain)>();

        // Both are processes that live through all runs. A run is too short to warm them and the client here: each is first
        // sent messages for a topic that nobody reads, and the first run does not count either.
        using var folder = new Folder();
        using var broker = BrokerProcess.Start(folder.Path);
        var endpoint = await broker.EndpointAsync();
        foreach (var warming in (string[])[endpoint, otherEndpoint])
        {
            await using var client = await Client.ConnectAsync(warming, "warm-up", subscribes: false);
            await client.PublishAsync(0, WarmUpMessages);
        }

        for (var run = 0; run <= runs; run++)
        {
            var ours = await MeasureAsync("broker", endpoint, messages);
            var other = await MeasureAsync("other", otherEndpoint, messages);
            Console.WriteLine(
                $"  times the other: published {ours.Publish / other.Publish:0.0}, drained {ours.Drain / other.Drain:0.0}{(run == 0 ? "   (that was the warm-up)" : "")}");
            if (run > 0)
            {
                ratios.Add((ours.Publish / other.Publish, ours.Drain / other.Drain));
            }
        }

        Console.WriteLine(
            $"median of {runs} runs on {Environment.ProcessorCount} cores: published {Median(ratios.Select(r => r.Publish)):0.0} times as fast, drained {Median(ratios.Select(r => r.Drain)):0.0} times");
    }

    /// <summary>A backlog that is larger than the broker's memory: held, opened again, drained and reclaimed.</summary>
    /// <param name="messages">Its messages.</param>
    public static async Task BacklogAsync(int messages)
    {
        const int Parts = 5;
        using var folder = new Folder();
        long peak;
        using (var broker = BrokerProcess.Start(folder.Path))
        {
            await using var client = await Client.ConnectAsync(await broker.EndpointAsync(), "bench");
            for (var part = 0; part < Parts; part++)
            {
                var rate = await client.PublishAsync(part * (messages / Parts), messages / Parts);
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

    private static async Task<(double Publish, double Drain)> MeasureAsync(string name, string endpoint, int messages)
    {
        await using var client = await Client.ConnectAsync(endpoint, $"bench-{Guid.NewGuid():n}");
        var published = await client.PublishAsync(0, messages);
        var drained = await client.DrainAsync(messages);
        Console.WriteLine($"  {name,-8} published {published,10:N0} messages/s ({client.PublishCpu.TotalMicroseconds / messages:0.00} us of the client's CPU each)   drained {drained,10:N0} messages/s");
        return (published, drained);
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    private static string Megabytes(long bytes) => $"{bytes / (1024.0 * 1024.0):N0} MiB";

    /// <summary>A client with a topic and a subscription of its own.</summary>
    private sealed class Client : IAsyncDisposable
    {
        private const string Topic = "orders_data";
        private const string SubscriptionName = "orders_data-sub";

        private readonly PubSubConnection _connection;
        private readonly PubSubPublisher _publisher;
        private readonly PubSubSubscription _subscription;
        private readonly CancellationTokenSource _stop = new();
        private readonly IAsyncEnumerator<IReadOnlyList<Delivery>> _deliveries;
        private int _ahead;

        private Client(PubSubConnection connection)
        {
            _connection = connection;
            _publisher = new PubSubPublisher(connection);
            _subscription = new PubSubSubscription(connection, SubscriptionName);
            _deliveries = _subscription.ReceiveAsync(_stop.Token).GetAsyncEnumerator();
        }

        /// <summary>CPU time of this process in the last publishing.</summary>
        public TimeSpan PublishCpu { get; private set; }

        public static async Task<Client> ConnectAsync(string endpoint, string project, bool subscribes = true)
        {
            var settings = PubSubSettings.Read(
                ConfigurationFactory.ParseString($"ecomstream.pubsub.project-id = {project}").WithFallback(PubSubSettings.Reference), endpoint);
            var connection = PubSubConnection.Create(settings);
            var admin = new PubSubAdmin(connection);
            await admin.EnsureTopicAsync(Topic, CancellationToken.None);
            if (subscribes)
            {
                await admin.EnsureSubscriptionAsync(SubscriptionName, Topic, CancellationToken.None);
            }

            return new Client(connection);
        }

        public async Task<double> PublishAsync(int from, int count)
        {
            var batches = new Queue<OutgoingMessage[]>(Orders(from, count).Chunk(BatchSize));
            var before = Environment.CpuUsage.TotalTime;
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(Enumerable.Range(0, Publishers).Select(_ => Task.Run(async () =>
            {
                while (Next() is { } batch)
                {
                    await _publisher.PublishAsync(Topic, batch, CancellationToken.None);
                }
            })));
            var elapsed = clock.Elapsed;
            PublishCpu = Environment.CpuUsage.TotalTime - before;
            return count / elapsed.TotalSeconds;

            OutgoingMessage[]? Next()
            {
                lock (batches)
                {
                    return batches.TryDequeue(out var batch) ? batch : null;
                }
            }
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

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _deliveries.DisposeAsync();
            await _subscription.DisposeAsync();
            await _publisher.DisposeAsync();
            _connection.Dispose();
            _stop.Dispose();
        }

        private static IEnumerable<OutgoingMessage> Orders(int from, int count)
        {
            var shop = new Simulator(new SimulatorOptions { Orders = from + count, Payments = 0, Sequence = ProduceSequence.Interleaved });
            return shop.Messages().Skip(from).Take(count).Select(message => new OutgoingMessage(message.Data, Delivery.NoAttributes));
        }
    }

    private sealed class BrokerProcess : IDisposable
    {
        private readonly Process _process;
        private readonly int _port;

        private BrokerProcess(Process process, int port) => (_process, _port) = (process, port);

        public long WorkingSet
        {
            get
            {
                _process.Refresh();
                return _process.WorkingSet64;
            }
        }

        public long PeakWorkingSet
        {
            get
            {
                _process.Refresh();
                return _process.PeakWorkingSet64;
            }
        }

        public static BrokerProcess Start(string folder)
        {
            using var any = new TcpListener(IPAddress.Loopback, 0);
            any.Start();
            var port = ((IPEndPoint)any.LocalEndpoint).Port;
            any.Stop();
            var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var argument in (string[])[System.IO.Path.Combine(AppContext.BaseDirectory, "ecomstream.dll"), "broker", "--data", folder, "--port", $"{port}"])
            {
                start.ArgumentList.Add(argument);
            }

            var process = Process.Start(start)!;
            process.ErrorDataReceived += (_, line) =>
            {
                if (line.Data?.Contains(" info: ", StringComparison.Ordinal) == false)
                {
                    Console.Error.WriteLine(line.Data);
                }
            };
            process.BeginErrorReadLine();
            return new BrokerProcess(process, port);
        }

        /// <summary>Its host:port, once it listens.</summary>
        public async Task<string> EndpointAsync()
        {
            string? line;
            do
            {
                line = await _process.StandardOutput.ReadLineAsync()
                    ?? throw new InvalidOperationException($"The broker ended with exit code {_process.ExitCode}.");
            }
            while (!line.StartsWith("export ", StringComparison.Ordinal));
            _ = _process.StandardOutput.ReadToEndAsync();
            return $"127.0.0.1:{_port}";
        }

        public void Kill()
        {
            _process.Kill();
            _process.WaitForExit();
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                Kill();
            }

            _process.Dispose();
        }
    }

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("ecomstream-bench-").FullName;

        public long Size => new DirectoryInfo(Path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Exists ? file.Length : 0);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
