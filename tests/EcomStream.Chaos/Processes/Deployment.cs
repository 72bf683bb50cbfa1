using EcomStream.Broker.V1;
using EcomStream.Chaos.Runs;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.Chaos.Processes;

/// <summary>The processes under test: a broker, and a host that reaches it through a proxy.</summary>
internal sealed class Deployment : IAsyncDisposable
{
    private const string HostIsReady = "Joining ";
    private const string BrokerIsReady = "PUBSUB_EMULATOR_HOST=";
    private static readonly TimeSpan _startTime = TimeSpan.FromSeconds(90);

    private readonly ChaosOptions _options;
    private readonly GrpcChannel _channel;
    private ChildProcess? _host;

    public Deployment(ChaosOptions options)
    {
        _options = options;
        Directory.CreateDirectory(DataFolder);
        Endpoint = options.Emulator ?? $"127.0.0.1:{FreePorts.Next()}";
        Proxy = new TcpProxy(Endpoint);
        _channel = GrpcChannel.ForAddress($"http://{Endpoint}");
        Subscriber = new Subscriber.SubscriberClient(_channel);
        Cluster = options.Nodes > 0 ? new ClusterNodes(options, HostArguments()) : null;
    }

    /// <summary>host:port of the broker itself.</summary>
    public string Endpoint { get; }

    /// <summary>What the host's connections to the broker pass through.</summary>
    public TcpProxy Proxy { get; }

    public Subscriber.SubscriberClient Subscriber { get; }

    /// <summary>The host; of a cluster, its oldest node.</summary>
    public ChildProcess Host => Cluster?.Running[0].Process ?? _host!;

    /// <summary>The hosts of a cluster; null for a single host.</summary>
    public ClusterNodes? Cluster { get; }

    /// <summary>The broker; null where it is Google's emulator.</summary>
    public ChildProcess? Broker { get; private set; }

    public string DataFolder => Path.Combine(_options.Directory, "data");

    /// <summary>Starts everything, and makes the topics and subscriptions.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_options.Emulator is null)
        {
            StartBroker();
            await ReadyAsync(Broker!, "The broker", cancellationToken);
        }

        await CreateTopicsAsync(cancellationToken);
        if (Cluster is null)
        {
            StartHost();
            await ReadyAsync(Host, "The host", cancellationToken);
            return;
        }

        foreach (var node in Cluster.All)
        {
            await Cluster.StartAsync(node, cancellationToken);
        }

        await Cluster.AllShardsRunAsync(cancellationToken);
    }

    public void StartBroker()
    {
        Broker?.Dispose();
        Broker = ChildProcess.StartProgram(
            ["broker", "--data", DataFolder, "--port", Endpoint.Split(':')[1], "--segment-bytes", "1048576"], BrokerIsReady, Path.Combine(_options.Directory, "broker.log"));
    }

    public void StartHost()
    {
        _host?.Dispose();
        _host = ChildProcess.StartProgram(HostArguments(), HostIsReady, Path.Combine(_options.Directory, "host.log"));
    }

    /// <summary>Fails when the process does not work in time.</summary>
    public static async Task ReadyAsync(ChildProcess process, string name, CancellationToken cancellationToken)
    {
        if (!await process.BecomesReadyAsync(_startTime, cancellationToken))
        {
            throw new ChaosException($"{name} did not start within {_startTime.TotalSeconds} s, or ended. Its last lines:{Environment.NewLine}{process.LastLines}");
        }
    }

    /// <summary>What a subscription has that is not acked; null where it has nothing or the broker cannot tell.</summary>
    public async Task<string?> BacklogAsync(string subscription, CancellationToken cancellationToken)
    {
        if (Broker is null)
        {
            return null;
        }

        var status = await new Inspection.InspectionClient(_channel).GetSubscriptionStatusAsync(
            new GetSubscriptionStatusRequest { Subscription = Names.SubscriptionPath(subscription) },
            deadline: DateTime.UtcNow + TimeSpan.FromSeconds(10), // gRPC compares it with the system's clock
            cancellationToken: cancellationToken);
        return status.UnackedMessages == 0 ? null
            : $"{subscription} has {status.UnackedMessages} unacked messages, {status.LeasedMessages} of them leased for up to "
                + $"{(status.LeasedMessages > 0 ? (status.LatestLeaseExpiryMicros - status.NowMicros) / 1_000_000 : 0)} s";
    }

    public async ValueTask DisposeAsync()
    {
        _host?.Dispose();
        if (Cluster is not null)
        {
            await Cluster.DisposeAsync();
        }

        Broker?.Dispose();
        await Proxy.DisposeAsync();
        _channel.Dispose();
    }

    private List<string> HostArguments()
    {
        List<string> arguments =
        [
            "run", "--config", _options.Nodes > 0 ? "cluster.conf" : _options.Emulator is null ? "embedded.conf" : "emulator.conf", "--data", DataFolder,
            "--set", $"ecomstream.pubsub.emulator-host={Proxy.Endpoint}",
            "--set", $"ecomstream.unmatched.grace={_options.Grace.TotalMilliseconds:0}ms",
            "--set", "ecomstream.join.passivate-after=2s",

            // A pause is longer than a lease, and what a killed process had comes again soon.
            "--set", "ecomstream.pubsub.subscriber.ack-deadline=10s",
            "--set", "ecomstream.pubsub.subscriber.max-ack-deadline=10s",
            "--set", "ecomstream.pubsub.retry.max-backoff=2s",
        ];
        if (_options.Cassandra is { } cassandra)
        {
            arguments.AddRange(
                "--set", "ecomstream.store.kind=cassandra",
                "--set", $"ecomstream.store.cassandra.contact-points=[\"{cassandra}\"]",
                "--set", "ecomstream.store.cassandra.username=admin",
                "--set", "ecomstream.store.cassandra.password=admin",
                "--set", $"ecomstream.store.cassandra.keyspace={_options.Keyspace}",
                "--set", "ecomstream.store.cassandra.replication={'class': 'SimpleStrategy', 'replication_factor': 1}");
        }
        else
        {
            arguments.AddRange("--set", "ecomstream.store.kind=sqlite");
        }

        return arguments;
    }

    private async Task CreateTopicsAsync(CancellationToken cancellationToken)
    {
        var publisher = new Publisher.PublisherClient(_channel);
        foreach (var (topic, subscriptions) in Names.All)
        {
            await CreatedAsync(() => publisher.CreateTopicAsync(new Topic { Name = Names.TopicPath(topic) }, cancellationToken: cancellationToken).ResponseAsync);
            foreach (var subscription in subscriptions)
            {
                await CreatedAsync(() => Subscriber.CreateSubscriptionAsync(
                    new Subscription { Name = Names.SubscriptionPath(subscription), Topic = Names.TopicPath(topic), AckDeadlineSeconds = 10 },
                    cancellationToken: cancellationToken).ResponseAsync);
            }
        }
    }

    private static async Task CreatedAsync<T>(Func<Task<T>> create)
    {
        try
        {
            await create();
        }
        catch (RpcException exists) when (exists.StatusCode == StatusCode.AlreadyExists)
        {
            // An earlier call of the run has made it.
        }
    }
}
