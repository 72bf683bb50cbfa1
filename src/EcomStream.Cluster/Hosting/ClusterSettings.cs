using System.Globalization;
using System.Net;
using Akka.Cluster.Sharding;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.DistributedData;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>How the nodes of a cluster find each other.</summary>
public enum ClusterDiscovery
{
    /// <summary>By static seed nodes.</summary>
    Off,

    /// <summary>By a list of management addresses.</summary>
    Config,

    /// <summary>By a DNS name.</summary>
    Dns,

    /// <summary>By the API server of Kubernetes.</summary>
    Kubernetes,
}

/// <summary>The settings of a cluster, read once from <c>ecomstream.cluster</c> in HOCON and validated.</summary>
public sealed record ClusterSettings
{
    /// <summary>Whether this process is a node of a cluster.</summary>
    public required bool Enabled { get; init; }

    /// <summary>The address at which this node listens.</summary>
    public required string Hostname { get; init; }

    /// <summary>The port at which this node listens; 0 for any free one.</summary>
    public required int Port { get; init; }

    /// <summary>The address by which other nodes reach this one; empty for <see cref="Hostname"/>.</summary>
    public required string PublicHostname { get; init; }

    /// <summary>The port by which other nodes reach this one; 0 for <see cref="Port"/>.</summary>
    public required int PublicPort { get; init; }

    /// <summary>Nodes to join through, host:port.</summary>
    public required IReadOnlyList<string> SeedNodes { get; init; }

    /// <summary>How nodes find each other.</summary>
    public required ClusterDiscovery Discovery { get; init; }

    /// <summary>What discovery looks for.</summary>
    public required string ServiceName { get; init; }

    /// <summary>Management addresses, host:port, for <see cref="ClusterDiscovery.Config"/>.</summary>
    public required IReadOnlyList<string> ContactPoints { get; init; }

    /// <summary>Nodes that must have found each other before they form a new cluster.</summary>
    public required int RequiredContactPoints { get; init; }

    /// <summary>The address of Akka.Management.</summary>
    public required string ManagementHostname { get; init; }

    /// <summary>The port of Akka.Management.</summary>
    public required int ManagementPort { get; init; }

    /// <summary>The role of the nodes with shards.</summary>
    public required string Role { get; init; }

    /// <summary>Unsettled messages of one node that may be with one shard.</summary>
    public required int MaxOutstandingPerShard { get; init; }

    /// <summary>Silence after which a node counts as unreachable.</summary>
    public required TimeSpan AcceptablePause { get; init; }

    /// <summary>How long nodes must have been unreachable before they are removed.</summary>
    public required TimeSpan StableAfter { get; init; }

    /// <summary>Who goes on when the cluster is divided: keep-majority or lease-majority.</summary>
    public required string SplitBrainStrategy { get; init; }

    /// <summary>The lease of Akka.Coordination, for lease-majority.</summary>
    public required string LeaseImplementation { get; init; }

    /// <summary>Encryption between nodes; null for none.</summary>
    public required ClusterTls? Tls { get; init; }

    /// <summary>The defaults, as they stand in <c>reference.conf</c>.</summary>
    public static Config Reference { get; } = ConfigurationFactory.FromResource<ClusterSettings>("EcomStream.Cluster.reference.conf");

    private static readonly Config _akka = ConfigurationFactory.FromResource<ClusterSettings>("EcomStream.Cluster.akka.conf");

    /// <summary>Reads the settings; what <paramref name="config"/> leaves out is taken from <see cref="Reference"/>.</summary>
    /// <param name="config">The whole configuration, with <c>ecomstream</c> at its root.</param>
    /// <exception cref="ConfigurationException">A value is missing, of the wrong kind, or out of its range; the message names the path.</exception>
    public static ClusterSettings Read(Config config)
    {
        var reader = SettingsReader.Of(config, Reference, "ecomstream.cluster");
        var settings = new ClusterSettings
        {
            Enabled = reader.Switch("enabled"),
            Hostname = reader.Text("hostname"),
            Port = reader.Int("port", 0, 65_535),
            PublicHostname = reader.OptionalText("public-hostname"),
            PublicPort = reader.Int("public-port", 0, 65_535),
            SeedNodes = reader.Endpoints("seed-nodes"),
            Discovery = Enum.Parse<ClusterDiscovery>(reader.Choice("discovery", "off", "config", "dns", "kubernetes"), ignoreCase: true),
            ServiceName = reader.Text("service-name"),
            ContactPoints = reader.Endpoints("contact-points"),
            RequiredContactPoints = reader.Int("required-contact-points", 1, 1_000),
            ManagementHostname = reader.Text("management-hostname"),
            ManagementPort = reader.Int("management-port", 0, 65_535),
            Role = reader.Text("role"),
            MaxOutstandingPerShard = reader.Int("max-outstanding-per-shard", 1, 1_000_000),
            AcceptablePause = reader.Time("acceptable-pause", TimeSpan.FromSeconds(1)),
            StableAfter = reader.Time("stable-after", TimeSpan.FromSeconds(2)),
            SplitBrainStrategy = reader.Choice("split-brain-strategy", "keep-majority", "lease-majority"),
            LeaseImplementation = reader.OptionalText("lease-implementation"),
            Tls = reader.Switch("tls.enabled")
                ? new ClusterTls(
                    reader.Text("tls.certificate-file"), reader.OptionalText("tls.key-file"), reader.Text("tls.ca-file"), reader.Switch("tls.verify-host"))
                : null,
        };
        settings.Validate();
        return settings;
    }

    /// <summary>
    /// The defaults of the parts of Akka that a node uses. In the configuration from the start, they let a node read the first
    /// messages of the others before its own part has started.
    /// </summary>
    public static Config AkkaDefaults { get; } =
        ClusterSharding.DefaultConfig().WithFallback(ClusterSingleton.DefaultConfig()).WithFallback(DistributedData.DefaultConfig());

    /// <summary>The configuration of the node's actor system.</summary>
    public Config ToAkka()
    {
        var text = new List<string>
        {
            $"akka.remote.dot-netty.tcp.hostname = {Quoted(Hostname)}",
            $"akka.remote.dot-netty.tcp.port = {Number(Port)}",
            $"akka.remote.dot-netty.tcp.public-hostname = {Quoted(PublicHostname)}",
            $"akka.remote.dot-netty.tcp.public-port = {Number(PublicPort)}",
            $"akka.cluster.roles = [{Quoted(Role)}]",
            $"akka.cluster.sharding.role = {Quoted(Role)}",
            $"akka.cluster.failure-detector.acceptable-heartbeat-pause = {Milliseconds(AcceptablePause)}",
            $"akka.remote.watch-failure-detector.acceptable-heartbeat-pause = {Milliseconds(AcceptablePause)}",
            $"akka.cluster.split-brain-resolver.active-strategy = {SplitBrainStrategy}",
            $"akka.cluster.split-brain-resolver.stable-after = {Milliseconds(StableAfter)}",
            $"akka.cluster.split-brain-resolver.{SplitBrainStrategy}.role = {Quoted(Role)}",
        };
        if (Tls is not null)
        {
            text.Add("akka.remote.dot-netty.tcp.enable-ssl = on");
        }

        if (SplitBrainStrategy == "lease-majority")
        {
            text.Add($"akka.cluster.split-brain-resolver.lease-majority.lease-implementation = {Quoted(LeaseImplementation)}");
        }

        if (Discovery == ClusterDiscovery.Off)
        {
            text.Add($"akka.cluster.seed-nodes = [{string.Join(", ", SeedNodes.Select(node => Quoted($"{(Tls is null ? "akka.tcp" : "akka.ssl.tcp")}://ecomstream@{node}")))}]");
        }
        else
        {
            text.AddRange(Bootstrap());
        }

        return ConfigurationFactory.ParseString(string.Join('\n', text)).WithFallback(_akka);
    }

    private IEnumerable<string> Bootstrap()
    {
        var method = Discovery switch
        {
            ClusterDiscovery.Config => "config",
            ClusterDiscovery.Dns => "ecomstream-dns",
            _ => "ecomstream-kubernetes",
        };
        yield return $"akka.discovery.method = {method}";
        yield return $"akka.management.http.hostname = {Quoted(PublicHostname.Length > 0 && Discovery != ClusterDiscovery.Config ? PublicHostname : ManagementHostname)}";
        yield return $"akka.management.http.bind-hostname = {Quoted(ManagementHostname)}";
        yield return $"akka.management.http.port = {Number(ManagementPort)}";
        yield return $"akka.management.cluster.bootstrap.contact-point-discovery.service-name = {Quoted(ServiceName)}";
        yield return $"akka.management.cluster.bootstrap.contact-point-discovery.required-contact-point-nr = {Number(RequiredContactPoints)}";
        yield return $"akka.management.cluster.bootstrap.contact-point.fallback-port = {Number(ManagementPort)}";

        // What was found has its own port, or none and gets the fallback.
        yield return "akka.management.cluster.bootstrap.contact-point.filter-on-fallback-port = off";
        if (Discovery == ClusterDiscovery.Config)
        {
            yield return $"akka.discovery.config.services.{Quoted(ServiceName)}.endpoints = [{string.Join(", ", ContactPoints.Select(Quoted))}]";
        }
    }

    private void Validate()
    {
        if (!Enabled)
        {
            return;
        }

        if (Tls is null && !IsLoopback(Hostname))
        {
            throw new ConfigurationException(
                $"ecomstream.cluster.hostname = {Hostname}: nodes that listen beyond loopback need ecomstream.cluster.tls.enabled = on. Without it anyone in the network can send messages to the actors.");
        }

        if (SplitBrainStrategy == "lease-majority" && LeaseImplementation.Length == 0)
        {
            throw new ConfigurationException("ecomstream.cluster.lease-implementation is empty: lease-majority needs the configuration path of a lease of Akka.Coordination.");
        }

        if (Discovery == ClusterDiscovery.Config && ContactPoints.Count == 0)
        {
            throw new ConfigurationException("ecomstream.cluster.contact-points is empty: discovery = config needs the management addresses of the nodes, host:port each.");
        }

        if (Discovery != ClusterDiscovery.Off && SeedNodes.Count > 0)
        {
            throw new ConfigurationException("ecomstream.cluster.seed-nodes: use either seed-nodes or discovery, not both.");
        }
    }

    private static bool IsLoopback(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private static string Quoted(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Milliseconds(TimeSpan time) => $"{time.TotalMilliseconds.ToString(CultureInfo.InvariantCulture)}ms";
}
