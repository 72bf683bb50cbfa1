using Akka.Configuration;
using EcomStream.Cassandra;
using EcomStream.Cql;

namespace EcomStream.Hosting;

/// <summary>Reads <c>ecomstream.store.cassandra</c>.</summary>
internal static class CassandraSettingsReader
{
    private const string Path = "ecomstream.store.cassandra";

    /// <exception cref="ConfigurationException">A setting is wrong; the message names its path and what it must be.</exception>
    public static CassandraSettings Read(Config config)
    {
        var section = config.GetConfig(Path);
        var cassandra = new SectionReader(section, Path);
        return new CassandraSettings
        {
            ContactPoints = ContactPoints(cassandra),
            LocalDatacenter = cassandra.Text("local-datacenter"),
            Keyspace = cassandra.Text("keyspace"),
            FactsTable = cassandra.Text("facts-table"),
            UnmatchedTable = cassandra.Text("unmatched-table"),
            OwnersTable = cassandra.Text("owners-table"),
            Username = cassandra.Text("username"),
            Password = Password(cassandra),
            Tls = cassandra.Switch("tls.enabled")
                ? new CqlTls
                {
                    CaFile = cassandra.Text("tls.ca-file"),
                    CertificateFile = cassandra.Text("tls.certificate-file"),
                    KeyFile = cassandra.Text("tls.key-file"),
                    VerifyHost = cassandra.Switch("tls.verify-host"),
                }
                : null,
            Consistency = Level(cassandra),
            Compression = cassandra.Text("compression") switch
            {
                "lz4" => true,
                "none" => false,
                _ => throw cassandra.Wrong("compression", "lz4 or none"),
            },
            ConnectionsPerNode = cassandra.Int("connections-per-node", 1, 64),
            MaxInFlight = cassandra.Int("max-in-flight", 1, 32_768),
            ConnectTimeout = cassandra.Time("connect-timeout"),
            RequestTimeout = cassandra.Time("request-timeout"),
            SchemaTimeout = cassandra.Time("schema-timeout"),
            SilentNodeDelay = cassandra.TimeOrZero("silent-node-delay"),
            HeartbeatInterval = cassandra.Time("heartbeat-interval"),
            ReconnectMinBackoff = cassandra.Time("reconnect-min-backoff"),
            ReconnectMaxBackoff = cassandra.Time("reconnect-max-backoff"),
            SpeculativeReadDelay = cassandra.TimeOrZero("speculative-read-delay"),
            BatchRows = cassandra.Int("batch-rows", 1, 1_000),
            BatchBytes = cassandra.Int("batch-bytes", 1, 1 << 20),
            ReadBatch = cassandra.Int("read-batch", 1, 1_000),
            PageSize = cassandra.Int("page-size", 1, 100_000),
            WriteTimestampOffset = cassandra.TimeOrZero("write-timestamp-offset"),
            FinishedTtl = cassandra.TimeOrZero("finished-ttl") is var ttl && (ttl == TimeSpan.Zero || (ttl.TotalSeconds >= 1 && ttl <= CassandraSettings.LongestTtl))
                ? ttl
                : throw cassandra.Wrong("finished-ttl", $"1s to {CassandraSettings.LongestTtl.TotalDays}d, or 0s for ever"),
            RewriteWindow = cassandra.TimeOrZero("rewrite-window"),
            RewriteBytes = cassandra.Bytes("rewrite-bytes"),
            CreateSchema = cassandra.Switch("create-schema"),
            Replication = cassandra.Text("replication"),
        };
    }

    private static string Password(SectionReader cassandra)
    {
        if (cassandra.Text("password-file") is not { Length: > 0 } file)
        {
            return cassandra.Secret("password");
        }

        if (cassandra.Text("password").Length > 0)
        {
            throw new ConfigurationException($"{Path}.password-file = {file}: must be empty while {Path}.password is set.");
        }

        try
        {
            // Editors end a file with a line end; a password has none.
            return File.ReadAllText(file).TrimEnd('\r', '\n');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{Path}.password-file = {file}: cannot be read: {error.Message}");
        }
    }

    private static string[] ContactPoints(SectionReader cassandra)
    {
        var points = cassandra.List("contact-points", "at least one host or host:port");
        try
        {
            Array.ForEach(points, point => ContactPoint.Parse(point));
            return points;
        }
        catch (CqlConfigurationException wrong)
        {
            throw new ConfigurationException($"{Path}.contact-points: {wrong.Message}");
        }
    }

    // Those that a read and a write can be sent with: any is for writes alone, serial for conditional updates. A number
    // is none of their names.
    private static Consistency Level(SectionReader cassandra)
    {
        var name = cassandra.Text("consistency").Replace("-", "", StringComparison.Ordinal);
        return name.All(char.IsAsciiLetter)
            && Enum.TryParse<Consistency>(name, ignoreCase: true, out var level)
            && level is not (Consistency.Any or Consistency.Serial or Consistency.LocalSerial)
            ? level
            : throw cassandra.Wrong("consistency", "one, two, three, quorum, all, local-quorum, each-quorum or local-one");
    }
}
