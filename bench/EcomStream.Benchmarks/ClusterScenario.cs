using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Host;
using EcomStream.PubSub;
using EcomStream.TestSupport;

namespace EcomStream.Benchmarks;

/// <summary>
/// Clusters of different sizes on the same work: the broker and every node are processes of their own, the store is a real
/// Cassandra. The CPU time of the nodes is compared, because on one machine their throughput is that of its cores.
/// </summary>
internal static class ClusterScenario
{
    private const string OrdersTopic = "orders_data";
    private const string PaymentsTopic = "payments_data";

    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);

    /// <summary>Measures each size in each run.</summary>
    /// <param name="cassandra">host:port, as admin/admin.</param>
    /// <param name="runs">How often.</param>
    /// <param name="sizes">Numbers of nodes.</param>
    /// <param name="warmUp">Orders, each with a payment, before it is measured, for the nodes to be compiled.</param>
    /// <param name="orders">Orders, each with a payment, that are measured.</param>
    public static async Task CompareAsync(string cassandra, int runs, IReadOnlyList<int> sizes, int warmUp, int orders)
    {
        var results = sizes.ToDictionary(size => size, _ => new List<(double Cpu, double Rate)>());
        for (var run = 0; run < runs; run++)
        {
            foreach (var size in sizes)
            {
                var result = await MeasureAsync(cassandra, size, warmUp, orders);
                results[size].Add(result);
                Console.WriteLine(Invariant($"  {size} node{(size == 1 ? " " : "s")} {result.Cpu,6:0.0} us of CPU a message, {result.Rate,8:N0} messages/s"));
            }
        }

        var first = Median(results[sizes[0]].Select(result => result.Cpu));
        foreach (var size in sizes)
        {
            var cpu = Median(results[size].Select(result => result.Cpu));
            Console.WriteLine(Invariant(
                $"median of {runs} runs on {Environment.ProcessorCount} cores: {size} node{(size == 1 ? " " : "s")} {cpu:0.0} us of CPU a message, {cpu / first:0.00} times that of {sizes[0]}"));
        }
    }

    private static async Task<(double Cpu, double Rate)> MeasureAsync(string cassandra, int size, int warmUp, int orders)
    {
        var folder = Directory.CreateTempSubdirectory("ecomstream-bench-").FullName;
        var processes = new List<HostProcess>();
        try
        {
            var port = FreePorts.Next();
            var broker = HostProcess.Start("broker", "--data", folder, "--port", Invariant($"{port}"));
            processes.Add(broker);
            await broker.WaitForAsync("export ");
            var settings = PubSubSettings.Read(PubSubSettings.Reference, $"127.0.0.1:{port}");
            using var connection = PubSubConnection.Create(settings);
            var admin = new PubSubAdmin(connection);
            foreach (var topic in (string[])[OrdersTopic, PaymentsTopic, "dlq_orders_data", "dlq_payments_data"])
            {
                await admin.EnsureTopicAsync(topic, CancellationToken.None);
                await admin.EnsureSubscriptionAsync($"{topic}-sub", topic, CancellationToken.None);
            }

            var nodes = await StartNodesAsync(cassandra, settings, size, processes);
            await using var publisher = new PubSubPublisher(connection);
            var shop = new Simulator(new SimulatorOptions { Orders = warmUp + orders, Payments = warmUp + orders, Sequence = ProduceSequence.Interleaved })
                .Messages().GetEnumerator();
            await JoinAsync(2 * warmUp);
            var (before, clock) = (Cpu(), Stopwatch.StartNew());
            await JoinAsync(2 * orders);
            return ((Cpu() - before).TotalMicroseconds / (2 * orders), 2 * orders / clock.Elapsed.TotalSeconds);

            TimeSpan Cpu() => nodes.Aggregate(TimeSpan.Zero, (sum, node) => sum + node.Cpu);

            async Task JoinAsync(int messages)
            {
                await new Producer(publisher, OrdersTopic, PaymentsTopic).RunAsync(Take(shop, messages), rate: 0, CancellationToken.None);
                foreach (var topic in (string[])[OrdersTopic, PaymentsTopic])
                {
                    while ((await admin.GetSubscriptionStatusAsync($"{topic}-sub", CancellationToken.None))!.Value.UnackedMessages > 0)
                    {
                        await Task.Delay(_poll);
                    }
                }
            }
        }
        finally
        {
            processes.ForEach(process => process.Dispose());
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<List<HostProcess>> StartNodesAsync(string cassandra, PubSubSettings pubsub, int size, List<HostProcess> processes)
    {
        var keyspace = $"bench_{Guid.NewGuid():n}"[..16];
        List<(int Port, int Http)> addresses = [.. Enumerable.Range(0, size).Select(_ => (FreePorts.Next(), FreePorts.Next()))];
        var seeds = string.Join(',', addresses.Select(address => Invariant($"127.0.0.1:{address.Port}")));
        var nodes = new List<HostProcess>();
        foreach (var (port, http) in addresses)
        {
            var node = HostProcess.Start(
                "run", "--config", "cluster.conf", "--http", Invariant($"127.0.0.1:{http}"),
                "--set", $"ecomstream.pubsub.emulator-host={pubsub.EmulatorHost}",
                "--set", Invariant($"ecomstream.cluster.port={port}"),
                "--set", $"ecomstream.cluster.seed-nodes={seeds}",
                "--set", $"ecomstream.store.cassandra.contact-points=[\"{cassandra}\"]",
                "--set", "ecomstream.store.cassandra.username=admin",
                "--set", "ecomstream.store.cassandra.password=admin",
                "--set", $"ecomstream.store.cassandra.keyspace={keyspace}",
                "--set", "ecomstream.store.cassandra.replication={'class': 'SimpleStrategy', 'replication_factor': 1}");
            processes.Add(node);
            nodes.Add(node);

            // One after the other, so that only one of them creates the tables.
            await ShardsRunAsync(http, nodes.Count);
        }

        foreach (var (_, http) in addresses)
        {
            await ShardsRunAsync(http, size);
        }

        return nodes;
    }

    // Every shard runs, on so many nodes.
    private static async Task ShardsRunAsync(int http, int size)
    {
        using var client = new HttpClient();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromMinutes(2); await Task.Delay(_poll))
        {
            try
            {
                var view = await client.GetFromJsonAsync<JsonElement>($"http://127.0.0.1:{http}/api/cluster");
                var shards = view.GetProperty("nodes").EnumerateArray().Select(node => node.GetProperty("shards").GetArrayLength()).ToList();
                if (shards.Count == size && shards.Sum() == view.GetProperty("shards").GetInt32() && shards.Min() > 0)
                {
                    return;
                }
            }
            catch (Exception starting) when (starting is HttpRequestException or KeyNotFoundException or JsonException)
            {
                // It does not listen yet, or has not joined.
            }
        }

        throw new InvalidOperationException($"The shards do not run on {size} nodes.");
    }

    private static IEnumerable<SimulatedMessage> Take(IEnumerator<SimulatedMessage> messages, int count)
    {
        while (count-- > 0 && messages.MoveNext())
        {
            yield return messages.Current;
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);
}
