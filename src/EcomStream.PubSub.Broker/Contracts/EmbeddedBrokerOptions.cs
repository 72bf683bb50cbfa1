using EcomStream.PubSub.Broker.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.PubSub.Broker;

/// <summary>How an <see cref="EmbeddedBroker"/> runs.</summary>
public sealed record EmbeddedBrokerOptions
{
    private const long LargestSegmentInMemory = 4 << 20;

    /// <summary>The folder that it keeps its files in; made if missing. One broker at a time. Required unless <see cref="InMemory"/>.</summary>
    public string DataDirectory { get; init; } = "";

    /// <summary>
    /// Keeps everything in memory and nothing on the disk, for tests: it is gone when the broker stops. The options of files,
    /// <see cref="DataDirectory"/>, <see cref="Fsync"/> and <see cref="FsyncInterval"/>, have no effect.
    /// </summary>
    public bool InMemory { get; init; }

    /// <summary>Address to listen on.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Port to listen on; 0 for any that is free.</summary>
    public int Port { get; init; }

    /// <summary>When writes are synced.</summary>
    public FsyncPolicy Fsync { get; init; } = FsyncPolicy.Interval;

    /// <summary>The interval of <see cref="FsyncPolicy.Interval"/>.</summary>
    public TimeSpan FsyncInterval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>A log file is closed and another begun at this size, bytes. Whole files are deleted as acks advance.</summary>
    public long SegmentBytes { get; init; } = 64L << 20;

    /// <summary>Connections that may be open at the same time; further ones are closed at once.</summary>
    public int MaxConnections { get; init; } = 10_000;

    /// <summary>
    /// Whether fields of topics and subscriptions that the broker does not support, such as kms_key_name or bigquery_config,
    /// are kept and returned with a warning instead of rejected. They have no effect.
    /// </summary>
    public bool Lenient { get; init; }

    /// <summary>
    /// A JSON file of schemas, topics and subscriptions that are created at the start if they are missing, each as the REST API takes it:
    /// <c>{"topics": [{"name": "projects/p/topics/t"}], "subscriptions": [...]}</c>; null for none.
    /// </summary>
    public string? SeedFile { get; init; }

    /// <summary>
    /// Whether the port answers /admin/v1, by which anyone who reaches it can inject faults and delete everything. For tests.
    /// </summary>
    public bool AdminApi { get; init; }

    /// <summary>Where it logs.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>After so long without a frame from a client its connection is pinged, at least 1 s.</summary>
    internal TimeSpan KeepAlivePingDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After so long without an answer to a ping the connection is closed, at least 1 s.</summary>
    internal TimeSpan KeepAlivePingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The options as they hold: in memory nothing is synced, and space is freed in smaller pieces.</summary>
    internal EmbeddedBrokerOptions Effective => !InMemory ? this : this with
    {
        DataDirectory = "memory",
        Fsync = FsyncPolicy.Never,
        SegmentBytes = Math.Min(SegmentBytes, LargestSegmentInMemory),
        Files = new BrokerFiles(store: new MemoryFileStore()),
    };

    /// <summary>How its files are written; a test limits the disk with it.</summary>
    internal BrokerFiles Files { get; init; } = new();
}
