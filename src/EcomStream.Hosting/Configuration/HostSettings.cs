using System.Collections;
using System.Text.Json;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Cassandra;
using EcomStream.Cluster;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using EcomStream.Sqlite;

namespace EcomStream.Hosting;

/// <summary>All settings of the process, read once and validated.</summary>
internal sealed record HostSettings
{
    /// <summary>The name of the actor system.</summary>
    public const string SystemName = "ecomstream";

    // What the service takes (https://cloud.google.com/pubsub/docs/subscription-properties).
    private static readonly TimeSpan _leastRetention = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan _mostRetention = TimeSpan.FromDays(31);

    public required Config Config { get; init; }

    /// <summary>What the user has set, without the defaults.</summary>
    public required Config User { get; init; }

    /// <summary>Paths of the settings that were given on the command line.</summary>
    public IReadOnlyCollection<string> CommandLine { get; init; } = [];

    public required EcomStreamSettings Pipeline { get; init; }

    /// <summary>Health checks, telemetry and the HTTP endpoint.</summary>
    public required OperationsSettings Operations { get; init; }

    public required PubSubSettings PubSub { get; init; }

    /// <summary>Whether and how this process is a node of a cluster.</summary>
    public required ClusterSettings Cluster { get; init; }

    /// <summary>The client of Pub/Sub.</summary>
    public required ClientKind PubSubClient { get; init; }

    public required string DataDirectory { get; init; }

    public required TimeSpan StatusInterval { get; init; }

    /// <summary>Whether a process refuses to join subscriptions that another process joins already.</summary>
    public required bool SingleReader { get; init; }

    public required StoreKind StoreKind { get; init; }

    public required CassandraSettings Cassandra { get; init; }

    /// <summary>The client of Cassandra.</summary>
    public required ClientKind CassandraClient { get; init; }

    public required SqliteDurability SqliteDurability { get; init; }

    public required TimeSpan SqliteFinishedTtl { get; init; }

    public required bool EmbeddedBroker { get; init; }

    public required string BrokerHost { get; init; }

    public required int BrokerPort { get; init; }

    public required FsyncPolicy BrokerFsync { get; init; }

    public required TimeSpan BrokerFsyncInterval { get; init; }

    public required bool CreateMissing { get; init; }

    public required string OrdersTopic { get; init; }

    public required string PaymentsTopic { get; init; }

    public required string PaymentsDeadLetterSubscription { get; init; }

    public required string OrdersDeadLetterSubscription { get; init; }

    public required TimeSpan MessageRetention { get; init; }

    public required bool ExactlyOnce { get; init; }

    public required int MaxDeliveryAttempts { get; init; }

    /// <summary>The topics and subscriptions of the whole.</summary>
    public IReadOnlyList<SubscriptionPlan> Subscriptions =>
    [
        Input(OrdersTopic, Pipeline.OrdersSubscription, Pipeline.OrdersDeadLetterTopic),
        Input(PaymentsTopic, Pipeline.PaymentsSubscription, Pipeline.PaymentsDeadLetterTopic),
        DeadLetters(Pipeline.PaymentsDeadLetterTopic, PaymentsDeadLetterSubscription),
        DeadLetters(Pipeline.OrdersDeadLetterTopic, OrdersDeadLetterSubscription),
    ];

    public string StorePath => Path.Combine(DataDirectory, "ecomstream.db");

    public string BrokerDirectory => Path.Combine(DataDirectory, "broker");

    /// <summary>Whether this process runs its own broker.</summary>
    public bool RunsBroker => PubSub.EmulatorHost.Length == 0 && EmbeddedBroker;

    /// <summary>The defaults of the whole process.</summary>
    public static Config Reference { get; } =
        ConfigurationFactory.FromResource<HostSettings>("EcomStream.Hosting.reference.conf")
            .WithFallback(PubSubSettings.Reference)
            .WithFallback(ClusterSettings.Reference)
            .WithFallback(EcomStreamSettings.Reference);

    /// <summary>Reads all settings.</summary>
    /// <param name="user">What the user has set, without the defaults.</param>
    /// <param name="emulatorHost">What PUBSUB_EMULATOR_HOST says.</param>
    /// <param name="environment">The environment, which may name the project; null for none.</param>
    /// <exception cref="ConfigurationException">One is wrong; the message names its path and what it must be.</exception>
    public static HostSettings Read(Config user, string? emulatorHost, IDictionary? environment = null)
    {
        var pubsub = PubSubSettings.Read(user, emulatorHost, environment);
        var config = user.WithFallback(ProjectOf(pubsub)).WithFallback(Reference);
        var host = new SectionReader(config.GetConfig("ecomstream"), "ecomstream");
        var settings = new HostSettings
        {
            Config = config,
            User = user,
            Operations = OperationsSettings.Read(config),
            Pipeline = EcomStreamSettings.Read(config),
            PubSub = pubsub,
            Cluster = ClusterSettings.Read(config),
            PubSubClient = ClientKindReader.Read(host, "pubsub.client"),
            DataDirectory = host.Text("data-dir"),
            StatusInterval = host.TimeOrZero("status-interval"),
            SingleReader = host.Switch("single-reader"),
            StoreKind = host.OneOf<StoreKind>("store.kind"),
            Cassandra = CassandraSettingsReader.Read(config),
            CassandraClient = ClientKindReader.Read(host, "store.cassandra.client"),
            SqliteDurability = host.OneOf<SqliteDurability>("store.sqlite.durability"),
            SqliteFinishedTtl = host.TimeOrZero("store.sqlite.finished-ttl"),
            EmbeddedBroker = host.Switch("broker.embedded"),
            BrokerHost = host.Text("broker.host"),
            BrokerPort = Port(host, "broker.port"),
            BrokerFsync = host.OneOf<FsyncPolicy>("broker.fsync"),
            BrokerFsyncInterval = host.Time("broker.fsync-interval"),
            CreateMissing = host.Switch("setup.create-missing"),
            OrdersTopic = host.Text("setup.orders-topic"),
            PaymentsTopic = host.Text("setup.payments-topic"),
            PaymentsDeadLetterSubscription = host.Text("setup.payments-dead-letter-subscription"),
            OrdersDeadLetterSubscription = host.Text("setup.orders-dead-letter-subscription"),
            MessageRetention = host.TimeOrZero("setup.message-retention") is var kept && (kept == TimeSpan.Zero || (kept >= _leastRetention && kept <= _mostRetention))
                ? kept
                : throw host.Wrong("setup.message-retention", "0s, or 10m to 31d"),
            ExactlyOnce = host.Switch("setup.exactly-once"),
            MaxDeliveryAttempts = host.Int("setup.max-delivery-attempts", 0, 100) is var most && most is 0 or >= 5
                ? most
                : throw host.Wrong("setup.max-delivery-attempts", "0, or 5 to 100"),
        };
        return settings.Cluster.Enabled ? settings.ForCluster() : settings;
    }

    // A project that the environment names is below what the user has set, and above the defaults.
    private static Config ProjectOf(PubSubSettings pubsub) => ConfigurationFactory.ParseString($"ecomstream.pubsub.project-id = {JsonSerializer.Serialize(pubsub.ProjectId)}");

    // What one process keeps for itself cannot be shared by several.
    private HostSettings ForCluster() =>
        StoreKind != StoreKind.Cassandra
            ? throw new ConfigurationException(
                "ecomstream.store.kind = sqlite: the nodes of a cluster share one store, and SQLite belongs to one process. Set ecomstream.store.kind = cassandra, or ecomstream.cluster.enabled = off.")
        : RunsBroker
            ? throw new ConfigurationException(
                "ecomstream.broker.embedded = on: the nodes of a cluster share one Pub/Sub, and the embedded broker belongs to one process. Set ecomstream.pubsub.endpoint or ecomstream.pubsub.emulator-host and ecomstream.broker.embedded = off, or ecomstream.cluster.enabled = off.")
        : this with { Config = Cluster.ToAkka().WithFallback(Config).WithFallback(ClusterSettings.AkkaDefaults) };

    private SubscriptionPlan Input(string topic, string subscription, string deadLetters) => new()
    {
        Topic = topic,
        Subscription = subscription,
        AckDeadline = PubSub.Subscriber.AckDeadline,
        Retention = MessageRetention,
        ExactlyOnce = ExactlyOnce,
        DeadLetterTopic = MaxDeliveryAttempts > 0 ? deadLetters : "",
        MaxDeliveryAttempts = MaxDeliveryAttempts,
        Consumes = true,
    };

    private SubscriptionPlan DeadLetters(string topic, string subscription) => new()
    {
        Topic = topic,
        Subscription = subscription,
        AckDeadline = PubSub.Subscriber.AckDeadline,
        Retention = MessageRetention,
        Publishes = true,
        Consumes = subscription == Pipeline.HealFromSubscription,
    };

    private static int Port(SectionReader host, string path) =>
        int.TryParse(host.Text(path), out var port) && port is >= 0 and <= 65_535 ? port : throw host.Wrong(path, "a port, 0 to 65535");
}
