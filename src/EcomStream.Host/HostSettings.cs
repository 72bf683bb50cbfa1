using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Cassandra;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using EcomStream.Sqlite;

namespace EcomStream.Host;

/// <summary>All settings of the process, read once and validated.</summary>
internal sealed record HostSettings
{
    public required Config Config { get; init; }

    public required EcomStreamSettings Pipeline { get; init; }

    public required PubSubSettings PubSub { get; init; }

    public required string DataDirectory { get; init; }

    public required StoreKind StoreKind { get; init; }

    public required CassandraSettings Cassandra { get; init; }

    public required SqliteDurability SqliteDurability { get; init; }

    public required bool EmbeddedBroker { get; init; }

    public required string BrokerHost { get; init; }

    public required int BrokerPort { get; init; }

    public required FsyncPolicy BrokerFsync { get; init; }

    public required bool CreateMissing { get; init; }

    public required string OrdersTopic { get; init; }

    public required string PaymentsTopic { get; init; }

    public required string PaymentsDeadLetterSubscription { get; init; }

    public required string OrdersDeadLetterSubscription { get; init; }

    public string StorePath => Path.Combine(DataDirectory, "ecomstream.db");

    public string BrokerDirectory => Path.Combine(DataDirectory, "broker");

    /// <summary>Whether this process runs its own broker.</summary>
    public bool RunsBroker => PubSub.EmulatorHost.Length == 0 && EmbeddedBroker;

    /// <summary>The defaults of the whole process.</summary>
    public static Config Reference { get; } =
        ConfigurationFactory.FromResource<HostSettings>("EcomStream.Host.reference.conf")
            .WithFallback(PubSubSettings.Reference)
            .WithFallback(EcomStreamSettings.Reference);

    /// <summary>Reads all settings.</summary>
    /// <exception cref="ConfigurationException">One is wrong; the message names its path and what it must be.</exception>
    public static HostSettings Read(Config user, string? emulatorHost)
    {
        var config = user.WithFallback(Reference);
        var host = config.GetConfig("ecomstream");
        return new HostSettings
        {
            Config = config,
            Pipeline = EcomStreamSettings.Read(config),
            PubSub = PubSubSettings.Read(config, emulatorHost),
            DataDirectory = host.GetString("data-dir"),
            StoreKind = OneOf<StoreKind>(host, "store.kind"),
            Cassandra = CassandraSettingsReader.Read(config),
            SqliteDurability = OneOf<SqliteDurability>(host, "store.sqlite.durability"),
            EmbeddedBroker = Switch(host, "broker.embedded"),
            BrokerHost = host.GetString("broker.host"),
            BrokerPort = Port(host, "broker.port"),
            BrokerFsync = OneOf<FsyncPolicy>(host, "broker.fsync"),
            CreateMissing = Switch(host, "setup.create-missing"),
            OrdersTopic = host.GetString("setup.orders-topic"),
            PaymentsTopic = host.GetString("setup.payments-topic"),
            PaymentsDeadLetterSubscription = host.GetString("setup.payments-dead-letter-subscription"),
            OrdersDeadLetterSubscription = host.GetString("setup.orders-dead-letter-subscription"),
        };
    }

    private static T OneOf<T>(Config host, string path)
        where T : struct, Enum =>
        Enum.TryParse<T>(host.GetString(path), ignoreCase: true, out var value) && Enum.IsDefined(value)
            ? value
            : throw new ConfigurationException(
                $"ecomstream.{path} = {host.GetString(path)}: it must be {string.Join(" or ", Enum.GetNames<T>()).ToLowerInvariant()}.");

    private static bool Switch(Config host, string path) => host.GetString(path) switch
    {
        "on" or "true" or "yes" => true,
        "off" or "false" or "no" => false,
        var other => throw new ConfigurationException($"ecomstream.{path} = {other}: it must be on or off."),
    };

    private static int Port(Config host, string path) =>
        int.TryParse(host.GetString(path), out var port) && port is >= 0 and <= 65_535
            ? port
            : throw new ConfigurationException($"ecomstream.{path} = {host.GetString(path)}: it must be a port, 0 to 65535.");
}
