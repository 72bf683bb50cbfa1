using System.Collections;
using Akka.Configuration;

namespace EcomStream.PubSub;

/// <summary>The settings of the Pub/Sub client, read once from <c>ecomstream.pubsub</c> in HOCON and validated.</summary>
public sealed record PubSubSettings
{
    /// <summary>The environment variable that names an emulator or an embedded broker, as in Google's own clients.</summary>
    public const string EmulatorVariable = "PUBSUB_EMULATOR_HOST";

    /// <summary>The environment variables that name the project where the configuration does not; the first one that is set counts.</summary>
    public static readonly IReadOnlyList<string> ProjectVariables = ["PUBSUB_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"];

    private const string Root = "ecomstream.pubsub";
    private const string ProjectKey = "project-id";

    /// <summary>The project of short names.</summary>
    public required string ProjectId { get; init; }

    /// <summary>Where <see cref="ProjectId"/> was set, for messages to a human.</summary>
    public string ProjectSource { get; init; } = $"{Root}.{ProjectKey}";

    /// <summary>host:port of an emulator or an embedded broker; empty for Google's service.</summary>
    public required string EmulatorHost { get; init; }

    /// <summary>Google's universe, googleapis.com for nearly everyone.</summary>
    public required string UniverseDomain { get; init; }

    /// <summary>host:port of the service, spoken to with TLS; empty for the universe's own.</summary>
    public required string ServiceEndpoint { get; init; }

    /// <summary>Who this process is for Google Cloud.</summary>
    public required CredentialSettings Credentials { get; init; }

    /// <summary>What is read.</summary>
    public required SubscriberSettings Subscriber { get; init; }

    /// <summary>What is published.</summary>
    public required PublisherSettings Publisher { get; init; }

    /// <summary>Backoff of everything that is tried again.</summary>
    public required RetrySettings Retry { get; init; }

    /// <summary>The connection.</summary>
    public required ConnectionSettings Connection { get; init; }

    /// <summary>The defaults, as they stand in <c>reference.conf</c>.</summary>
    public static Config Reference { get; } = ConfigurationFactory.FromResource<PubSubSettings>("EcomStream.PubSub.reference.conf");

    /// <summary>Reads the settings; what <paramref name="config"/> leaves out is taken from <see cref="Reference"/>.</summary>
    /// <param name="config">The whole configuration, with <c>ecomstream</c> at its root.</param>
    /// <param name="emulatorHost">
    /// What <see cref="EmulatorVariable"/> says; it goes before <c>emulator-host</c> unless it is null or empty.
    /// </param>
    /// <param name="environment">
    /// The environment of the process, in which <see cref="ProjectVariables"/> are looked up when <paramref name="config"/>
    /// does not name the project; null for none.
    /// </param>
    /// <exception cref="ConfigurationException">A key is unknown, or a value of the wrong kind or out of its range; the message names the path.</exception>
    public static PubSubSettings Read(Config config, string? emulatorHost = null, IDictionary? environment = null)
    {
        SettingsReader.RefuseUnknown(config, Reference, Root);
        var reader = SettingsReader.Of(config, Reference, Root);
        var (project, source) = Project(config, reader, environment);
        var deadline = reader.Time("subscriber.ack-deadline", TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(600));
        var minBackoff = reader.Time("retry.min-backoff", TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(1));
        return new PubSubSettings
        {
            ProjectId = project,
            ProjectSource = source,
            EmulatorHost = string.IsNullOrWhiteSpace(emulatorHost)
                ? Checked(reader.TextOrEmpty("emulator-host"), $"{Root}.emulator-host")
                : Checked(emulatorHost, EmulatorVariable),
            UniverseDomain = reader.Text("universe-domain"),
            ServiceEndpoint = Checked(reader.TextOrEmpty("endpoint"), $"{Root}.endpoint", "pubsub.googleapis.com:443"),
            Credentials = new CredentialSettings
            {
                File = reader.TextOrEmpty("credentials.file"),
                Impersonate = reader.TextOrEmpty("credentials.impersonate"),
                QuotaProject = reader.TextOrEmpty("credentials.quota-project"),
            },
            Subscriber = new SubscriberSettings
            {
                Streams = reader.Int("subscriber.streams", 1, 64),
                AckDeadline = deadline,
                MaxAckDeadline = reader.Time("subscriber.max-ack-deadline", deadline, TimeSpan.FromSeconds(600)),
                MaxExtension = reader.Time("subscriber.max-extension", deadline, TimeSpan.FromHours(24)),
                MaxOutstandingMessages = reader.Int("subscriber.max-outstanding-messages", 1, 10_000_000),
                MaxOutstandingBytes = reader.Bytes("subscriber.max-outstanding-bytes", 1, 1L << 40),
                AckBatchSize = reader.Int("subscriber.ack-batch-size", 1, 100_000),
                AckLinger = reader.Time("subscriber.ack-linger", TimeSpan.Zero, TimeSpan.FromSeconds(10)),
                AckParallelism = reader.Int("subscriber.ack-parallelism", 1, 64),
                CloseTimeout = reader.Time("subscriber.close-timeout", TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(10)),
            },
            Publisher = new PublisherSettings
            {
                BatchMessages = reader.Int("publisher.batch-messages", 1, 1_000),
                BatchBytes = reader.Bytes("publisher.batch-bytes", 1, 10_000_000),
                BatchDelay = reader.Time("publisher.batch-delay", TimeSpan.Zero, TimeSpan.FromMinutes(1)),
                MaxOutstandingMessages = reader.Int("publisher.max-outstanding-messages", 1, 10_000_000),
                MaxOutstandingBytes = reader.Bytes("publisher.max-outstanding-bytes", 1, 1L << 40),
                Parallelism = reader.Int("publisher.parallelism", 1, 1_000),
                TotalTimeout = reader.Time("publisher.total-timeout", TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(24)),
                CompressFrom = reader.Bytes("publisher.compress-from", 0, 10_000_000),
                RequestTimeout = reader.Time("publisher.request-timeout", TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1)),
            },
            Retry = new RetrySettings(minBackoff, reader.Time("retry.max-backoff", minBackoff, TimeSpan.FromHours(1))),
            Connection = new ConnectionSettings
            {
                RequestTimeout = reader.Time("connection.request-timeout", TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1)),
                ConnectTimeout = reader.Time("connection.connect-timeout", TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1)),
                WindowSize = (int)reader.Bytes("connection.window-size", 65_535, 16L << 20),
                KeepAlive = reader.Time("connection.keep-alive", TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)),
                CaFile = reader.TextOrEmpty("connection.ca-file"),
            },
        };
    }

    /// <summary>Which of <see cref="ProjectVariables"/> names the project; null when none does.</summary>
    /// <param name="environment">The environment of the process.</param>
    public static string? ProjectVariable(IDictionary environment) =>
        ProjectVariables.FirstOrDefault(name => !string.IsNullOrWhiteSpace(environment[name] as string));

    /// <summary>The full name of a topic: projects/P/topics/T.</summary>
    public string TopicName(string topic) => FullName("topics", topic);

    /// <summary>The full name of a subscription: projects/P/subscriptions/S.</summary>
    public string SubscriptionName(string subscription) => FullName("subscriptions", subscription);

    /// <summary>Where the client talks to, for messages to a human.</summary>
    public string Endpoint => EmulatorHost.Length > 0 ? EmulatorHost : ServiceEndpoint.Length > 0 ? ServiceEndpoint : $"pubsub.{UniverseDomain}:443";

    /// <summary>What a token is for that this process signs itself.</summary>
    internal string TokenAudience => $"https://pubsub.{UniverseDomain}/";

    private static (string Project, string Source) Project(Config config, SettingsReader reader, IDictionary? environment)
    {
        const string Key = $"{Root}.{ProjectKey}";
        if (!config.IsEmpty && config.HasPath(Key))
        {
            return (reader.Text(ProjectKey), Key);
        }

        return environment is not null && ProjectVariable(environment) is { } variable
            ? ((string)environment[variable]!, variable)
            : (reader.Text(ProjectKey), $"the default of {Key}");
    }

    private string FullName(string collection, string name) =>
        name.StartsWith("projects/", StringComparison.Ordinal) ? name : $"projects/{ProjectId}/{collection}/{name}";

    /// <summary>The address of <see cref="EmulatorHost"/>; null where that is not host:port.</summary>
    internal static Uri? Address(string host) =>
        Uri.TryCreate($"http://{host}", UriKind.Absolute, out var address)
        && address is { PathAndQuery: "/", Host.Length: > 0, UserInfo: "" }
        && host.EndsWith($":{address.Port}", StringComparison.Ordinal)
            ? address
            : null;

    private static string Checked(string host, string source, string example = "localhost:8085") =>
        host.Length == 0 || Address(host) is not null
            ? host
            : throw new ConfigurationException($"{source} = {host}: it must be host:port, such as {example}.");
}

/// <summary>Who this process is for Google Cloud.</summary>
public sealed record CredentialSettings
{
    /// <summary>JSON file with the credentials; empty for Application Default Credentials.</summary>
    public required string File { get; init; }

    /// <summary>The service account to act as; empty for the credentials' own.</summary>
    public required string Impersonate { get; init; }

    /// <summary>The project whose quota the requests use; empty for the credentials' own.</summary>
    public required string QuotaProject { get; init; }
}

/// <summary>How subscriptions are read.</summary>
public sealed record SubscriberSettings
{
    /// <summary>StreamingPull streams per subscription.</summary>
    public required int Streams { get; init; }

    /// <summary>How long a message received belongs to this client, 10 s to 600 s.</summary>
    public required TimeSpan AckDeadline { get; init; }

    /// <summary>The longest that one extension may give, from <see cref="AckDeadline"/> to 600 s.</summary>
    public required TimeSpan MaxAckDeadline { get; init; }

    /// <summary>How long leases are extended.</summary>
    public required TimeSpan MaxExtension { get; init; }

    /// <summary>Messages received and not settled.</summary>
    public required int MaxOutstandingMessages { get; init; }

    /// <summary>Their bytes.</summary>
    public required long MaxOutstandingBytes { get; init; }

    /// <summary>Ack ids per request.</summary>
    public required int AckBatchSize { get; init; }

    /// <summary>How long an ack waits for its batch.</summary>
    public required TimeSpan AckLinger { get; init; }

    /// <summary>Ack requests under way at the same time.</summary>
    public required int AckParallelism { get; init; }

    /// <summary>How long closing waits for the acks, and then for giving back what is not settled.</summary>
    public required TimeSpan CloseTimeout { get; init; }
}

/// <summary>How messages are published.</summary>
public sealed record PublisherSettings
{
    /// <summary>Messages per request.</summary>
    public required int BatchMessages { get; init; }

    /// <summary>Bytes per request.</summary>
    public required long BatchBytes { get; init; }

    /// <summary>How long a message waits for its batch, with a <see cref="BatchingPublisher"/>.</summary>
    public required TimeSpan BatchDelay { get; init; }

    /// <summary>Messages that a <see cref="BatchingPublisher"/> has taken and the service has not.</summary>
    public required int MaxOutstandingMessages { get; init; }

    /// <summary>Their bytes.</summary>
    public required long MaxOutstandingBytes { get; init; }

    /// <summary>Requests of a <see cref="BatchingPublisher"/> under way at the same time.</summary>
    public required int Parallelism { get; init; }

    /// <summary>How long a <see cref="BatchingPublisher"/> tries to publish a message.</summary>
    public required TimeSpan TotalTimeout { get; init; }

    /// <summary>Requests of so many bytes and more are compressed; 0 for none.</summary>
    public required long CompressFrom { get; init; }

    /// <summary>How long one request may take.</summary>
    public required TimeSpan RequestTimeout { get; init; }
}

/// <summary>Exponential backoff.</summary>
/// <param name="MinBackoff">The first delay.</param>
/// <param name="MaxBackoff">The longest delay.</param>
public sealed record RetrySettings(TimeSpan MinBackoff, TimeSpan MaxBackoff)
{
    /// <summary>The delay before another try, a fifth more or less, so that many clients do not come back at once.</summary>
    /// <param name="failures">How often it has failed in a row; 1 after the first failure.</param>
    internal TimeSpan After(int failures)
    {
        var ticks = Math.Min(MinBackoff.Ticks * Math.Pow(2, Math.Clamp(failures - 1, 0, 30)), MaxBackoff.Ticks);
        return TimeSpan.FromTicks((long)(ticks * (0.8 + (0.4 * Random.Shared.NextDouble()))));
    }
}

/// <summary>The connection to the server.</summary>
public sealed record ConnectionSettings
{
    /// <summary>How long an ack, an extension or an admin request may take.</summary>
    public required TimeSpan RequestTimeout { get; init; }

    /// <summary>How long connecting may take.</summary>
    public required TimeSpan ConnectTimeout { get; init; }

    /// <summary>Bytes that the server may send ahead on each stream.</summary>
    public required int WindowSize { get; init; }

    /// <summary>Silence after which the connection is probed.</summary>
    public required TimeSpan KeepAlive { get; init; }

    /// <summary>PEM file with the authorities to trust; empty for the machine's own.</summary>
    public required string CaFile { get; init; }
}
