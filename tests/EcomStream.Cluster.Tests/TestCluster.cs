using Akka.Actor;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Cluster.Tests;

/// <summary>Some nodes in one process, each with an actor system and connections of its own, on one embedded broker and one store.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public const int Shards = 12;

    private readonly string _folder = Directory.CreateTempSubdirectory("ecomstream-cluster-").FullName;
    private readonly List<Node> _nodes = [];
    private EmbeddedBroker _broker = null!;
    private PubSubConnection _connection = null!;
    private PubSubPublisher _publisher = null!;
    private string? _seed;
    private string? _seedAddress;

    public InMemoryFactStore Store { get; } = new();

    public static async Task<TestCluster> StartAsync(int nodes, string more = "")
    {
        var cluster = new TestCluster();
        cluster._broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = cluster._folder, Fsync = FsyncPolicy.Never });
        cluster._connection = cluster.Connect("");
        var admin = new PubSubAdmin(cluster._connection);
        foreach (var name in (string[])["orders_data", "payments_data", "dlq_payments_data", "dlq_orders_data"])
        {
            await admin.EnsureTopicAsync(name, default);
            await admin.EnsureSubscriptionAsync($"{name}-sub", name, default);
        }

        cluster._publisher = new PubSubPublisher(cluster._connection);
        for (var n = 0; n < nodes; n++)
        {
            await cluster.JoinAsync(more);
        }

        await cluster.BalancedAsync();
        return cluster;
    }

    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>Unacked messages of both subscriptions.</summary>
    public long Backlog => new[] { "orders_data-sub", "payments_data-sub" }
        .Sum(name => _broker.GetSubscriptionStats($"projects/ecomstream/subscriptions/{name}")!.Value.Backlog);

    /// <summary>Starts one more node.</summary>
    public async Task<Node> JoinAsync(string more = "")
    {
        var settings = ClusterSettings.Read(ConfigurationFactory.ParseString(
            $$"""
            ecomstream.cluster { enabled = on, port = 0, seed-nodes = [{{(_seed is null ? "" : $"\"{_seed}\"")}}] }
            """));
        var hocon = ConfigurationFactory.ParseString(
            $$"""
            {{more}}
            {{(_seedAddress is null ? "" : $"akka.cluster.seed-nodes = [\"{_seedAddress}\"]")}}
            akka.loglevel = WARNING
            akka.stdout-loglevel = OFF
            akka.loggers = []
            ecomstream {
              join.shards = {{Shards}}
              ingest.probe-interval = 200ms
              unmatched { grace = 2s, park-after = 100ms, sweep-interval = 100ms }
              shutdown-timeout = 5s
            }
            """).WithFallback(settings.ToAkka());
        var system = ActorSystem.Create("ecomstream", hocon);
        var connection = Connect("ecomstream.pubsub.subscriber { ack-deadline = 10s, max-ack-deadline = 10s, streams = 1 }");
        var ports = new EcomStreamPorts(
            new SharedStore(Store),
            new PubSubSubscription(connection, "orders_data-sub"),
            new PubSubSubscription(connection, "payments_data-sub"),
            new PubSubPublisher(connection));
        var pipeline = EcomStreamCluster.Start(system, settings, ports);
        var node = new Node(system, pipeline, connection);
        _nodes.Add(node);
        await pipeline.Started.WaitAsync(TimeSpan.FromSeconds(60));

        // The protocol in the address depends on the adapters of the transport.
        var address = Akka.Cluster.Cluster.Get(system).SelfAddress;
        _seed ??= $"127.0.0.1:{address.Port}";
        _seedAddress ??= address.ToString();
        return node;
    }

    /// <summary>Waits until every shard runs and no shard will move: each node that runs has the same number.</summary>
    public Task BalancedAsync() => Eventually.True(
        () => Running.Sum(node => node.Hosted.All.Count) == Shards && Running.All(node => node.Hosted.All.Count == Shards / Running.Count),
        "every shard runs, and each node has the same number", TimeSpan.FromSeconds(60));

    public IReadOnlyList<Node> Running => [.. _nodes.Where(node => !node.Pipeline.Completion.IsCompleted)];

    public Task PublishOrdersAsync(int first, int count) => PublishAsync(
        "orders_data", first, count, id => $$"""{"order_id": {{id}}, "customer_id": {{id}}, "item": "Book", "order_status": "Pending"}""");

    public Task PublishPaymentsAsync(int first, int count) => PublishAsync(
        "payments_data", first, count, id => $$"""{"order_id": {{id}}, "payment_id": {{id + 1000}}, "payment_status": "Completed"}""");

    public int CompleteRows => Store.Facts.Values.Count(row => row.Order is not null && row.Payment?.PaymentId == row.OrderId + 1000);

    /// <summary>Waits until every order has its payment and everything is acked.</summary>
    public async Task CompletesAsync(int orders)
    {
        await Eventually.True(
            () => CompleteRows == orders && Backlog == 0, $"{orders} complete rows and nothing unacked", TimeSpan.FromSeconds(90));

        // A payment is acked when its fact is durable; its unmatched row is marked after that.
        await Eventually.True(() => Store.Unmatched.All(row => row.State == UnmatchedState.Healed), "every unmatched payment is healed");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.StopAsync();
        }

        await _publisher.DisposeAsync();
        _connection.Dispose();
        await _broker.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private PubSubConnection Connect(string hocon) => PubSubConnection.Create(
        PubSubSettings.Read(ConfigurationFactory.ParseString(hocon), _broker.Endpoint));

    private async Task PublishAsync(string topic, int first, int count, Func<int, string> data)
    {
        foreach (var chunk in Enumerable.Range(first, count).Chunk(500))
        {
            await _publisher.PublishAsync(
                topic,
                [.. chunk.Select(id => new OutgoingMessage(System.Text.Encoding.UTF8.GetBytes(data(id)), Delivery.NoAttributes))],
                default);
        }
    }

    /// <summary>A node.</summary>
    public sealed class Node(ActorSystem system, EcomStreamPipeline pipeline, PubSubConnection connection)
    {
        private bool _isStopped;

        public ActorSystem System { get; } = system;

        public EcomStreamPipeline Pipeline { get; } = pipeline;

        public HostedShards Hosted => ((ClusterShards)Pipeline.Shards).Hosted;

        /// <summary>Leaves the cluster as a process does that gets SIGTERM.</summary>
        public async Task StopAsync()
        {
            if (!_isStopped)
            {
                _isStopped = true;
                await CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClrExitReason.Instance).WaitAsync(TimeSpan.FromSeconds(60));
                await Pipeline.DrainAsync();
                connection.Dispose();
            }
        }
    }
}
