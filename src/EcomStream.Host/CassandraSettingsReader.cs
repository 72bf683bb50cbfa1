using Akka.Configuration;
using EcomStream.Cassandra;

namespace EcomStream.Host;

/// <summary>Reads <c>ecomstream.store.cassandra</c>.</summary>
internal static class CassandraSettingsReader
{
    private const string Path = "ecomstream.store.cassandra";

    /// <exception cref="ConfigurationException">A setting is wrong; the message names its path and what it must be.</exception>
    public static CassandraSettings Read(Config config)
    {
        var cassandra = config.GetConfig(Path);
        return new CassandraSettings
        {
            ContactPoints = ContactPoints(cassandra),
            LocalDatacenter = cassandra.GetString("local-datacenter"),
            Keyspace = cassandra.GetString("keyspace"),
            FactsTable = cassandra.GetString("facts-table"),
            UnmatchedTable = cassandra.GetString("unmatched-table"),
            Username = cassandra.GetString("username"),
            Password = cassandra.GetString("password"),
            Tls = Switch(cassandra, "tls.enabled")
                ? new CassandraTls
                {
                    CaFile = cassandra.GetString("tls.ca-file"),
                    CertificateFile = cassandra.GetString("tls.certificate-file"),
                    KeyFile = cassandra.GetString("tls.key-file"),
                    VerifyHost = Switch(cassandra, "tls.verify-host"),
                }
                : null,
            Consistency = Enum.TryParse<Consistency>(cassandra.GetString("consistency").Replace("-", "", StringComparison.Ordinal), ignoreCase: true, out var level)
                && Enum.IsDefined(level)
                ? level
                : throw Wrong("consistency", cassandra.GetString("consistency"), "one, two, three, quorum, all, local-quorum, each-quorum or local-one"),
            Compression = cassandra.GetString("compression") switch
            {
                "lz4" => true,
                "none" => false,
                var other => throw Wrong("compression", other, "lz4 or none"),
            },
            ConnectionsPerNode = Number(cassandra, "connections-per-node", 1, 64),
            MaxInFlight = Number(cassandra, "max-in-flight", 1, 32_768),
            ConnectTimeout = Time(cassandra, "connect-timeout"),
            RequestTimeout = Time(cassandra, "request-timeout"),
            HeartbeatInterval = Time(cassandra, "heartbeat-interval"),
            ReconnectMinBackoff = Time(cassandra, "reconnect-min-backoff"),
            ReconnectMaxBackoff = Time(cassandra, "reconnect-max-backoff"),
            SpeculativeReadDelay = cassandra.GetTimeSpan("speculative-read-delay"),
            BatchRows = Number(cassandra, "batch-rows", 1, 1_000),
            BatchBytes = Number(cassandra, "batch-bytes", 1, 1 << 20),
            ReadBatch = Number(cassandra, "read-batch", 1, 1_000),
            FinishedTtl = cassandra.GetTimeSpan("finished-ttl"),
            CreateSchema = Switch(cassandra, "create-schema"),
            Replication = cassandra.GetString("replication"),
        };
    }

    // A list, or one text with commas, as --set and the environment give it.
    private static string[] ContactPoints(Config cassandra)
    {
        const string Key = "contact-points";
        var value = cassandra.GetValue(Key);
        string[] points = value.IsArray()
            ? [.. value.GetStringList()]
            : value.GetString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return points.Length > 0 ? points : throw Wrong(Key, "", "at least one host or host:port");
    }

    private static bool Switch(Config cassandra, string key) => cassandra.GetString(key) switch
    {
        "on" or "true" or "yes" => true,
        "off" or "false" or "no" => false,
        var other => throw Wrong(key, other, "on or off"),
    };

    private static int Number(Config cassandra, string key, int min, int max) =>
        int.TryParse(cassandra.GetString(key), out var number) && number >= min && number <= max
            ? number
            : throw Wrong(key, cassandra.GetString(key), $"a number from {min} to {max}");

    private static TimeSpan Time(Config cassandra, string key) =>
        cassandra.GetTimeSpan(key) is var time && time > TimeSpan.Zero ? time : throw Wrong(key, cassandra.GetString(key), "more than nothing, such as 5s");

    private static ConfigurationException Wrong(string key, string value, string must) => new($"{Path}.{key} = {value}: it must be {must}.");
}
