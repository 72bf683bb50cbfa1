using Akka.Configuration;

namespace EcomStream.Actors;

/// <summary>The settings of the pipeline, read once from <c>ecomstream</c> in HOCON and validated.</summary>
public sealed record EcomStreamSettings
{
    /// <summary>Number of shards.</summary>
    public required int Shards { get; init; }

    /// <summary>Orders in memory, over all shards.</summary>
    public required int MaxLiveOrders { get; init; }

    /// <summary>Idle time after which a live order is passivated.</summary>
    public required TimeSpan PassivateAfter { get; init; }

    /// <summary>Vacant order actors kept per shard.</summary>
    public required int MaxVacant { get; init; }

    /// <summary>Batches decoded at the same time, per subscription.</summary>
    public required int Decoders { get; init; }

    /// <summary>Name of the orders subscription.</summary>
    public required string OrdersSubscription { get; init; }

    /// <summary>Name of the payments subscription.</summary>
    public required string PaymentsSubscription { get; init; }

    /// <summary>Time between round trips to the broker.</summary>
    public required TimeSpan ProbeInterval { get; init; }

    /// <summary>Whether a value that cannot be used makes its message malformed; otherwise the field is null.</summary>
    public required bool RejectUnusableFields { get; init; }

    /// <summary>Number of writers.</summary>
    public required int Writers { get; init; }

    /// <summary>Rows per call of the store.</summary>
    public required int WriteBatchSize { get; init; }

    /// <summary>How long a row waits for its batch.</summary>
    public required TimeSpan WriteLinger { get; init; }

    /// <summary>Batches of one writer under way at the same time.</summary>
    public required int MaxWritesInFlight { get; init; }

    /// <summary>Backoff of the writers.</summary>
    public required Backoff WriteBackoff { get; init; }

    /// <summary>How long a payment waits for its order, on the watermark of the orders.</summary>
    public required TimeSpan Grace { get; init; }

    /// <summary>How long it waits unacked.</summary>
    public required TimeSpan ParkAfter { get; init; }

    /// <summary>Payments waiting unacked at the same time, over all shards.</summary>
    public required int MaxParked { get; init; }

    /// <summary>Orders with waiting payments that are kept in memory, over all shards.</summary>
    public required int MaxWaiting { get; init; }

    /// <summary>How often waiting payments are looked at.</summary>
    public required TimeSpan SweepInterval { get; init; }

    /// <summary>Waiting payments looked at in one go.</summary>
    public required int SweepBatch { get; init; }

    /// <summary>How often the whole table of unmatched payments is gone through.</summary>
    public required TimeSpan FullSweepInterval { get; init; }

    /// <summary>Subscription of payments' dead letters to heal from; null for none.</summary>
    public required string? HealFromSubscription { get; init; }

    /// <summary>Silence after which the orders subscription counts as idle.</summary>
    public required TimeSpan WatermarkIdle { get; init; }

    /// <summary>Topic of the payments' dead letters.</summary>
    public required string PaymentsDeadLetterTopic { get; init; }

    /// <summary>Topic of the orders' dead letters.</summary>
    public required string OrdersDeadLetterTopic { get; init; }

    /// <summary>Messages that the dead-letter sink handles at once.</summary>
    public required int DeadLetterBatchSize { get; init; }

    /// <summary>Backoff of the dead-letter sink.</summary>
    public required Backoff DeadLetterBackoff { get; init; }

    /// <summary>How long the pipeline may take to drain.</summary>
    public required TimeSpan ShutdownTimeout { get; init; }

    /// <summary>
    /// Whether unmatched rows are written only if they are still as they were read, because another process may own their
    /// shard by now. Without it, only writes that are repeated compare them first. Set by the cluster, not by HOCON.
    /// </summary>
    internal bool ConditionalRows { get; init; }

    /// <summary>The defaults, as they stand in <c>reference.conf</c>.</summary>
    public static Config Reference { get; } =
        ConfigurationFactory.FromResource<EcomStreamSettings>("EcomStream.Actors.reference.conf");

    /// <summary>Reads the settings; what <paramref name="config"/> leaves out is taken from <see cref="Reference"/>.</summary>
    /// <param name="config">The whole configuration, with <c>ecomstream</c> at its root.</param>
    /// <exception cref="ConfigurationException">A value is missing, of the wrong kind, or out of its range; the message names the path.</exception>
    public static EcomStreamSettings Read(Config config)
    {
        UnknownKeys.Reject(config, Reference);
        var reader = SettingsReader.Of(config, Reference, "ecomstream");
        return new EcomStreamSettings
        {
            Shards = reader.Int("join.shards", 1, 65_536),
            MaxLiveOrders = reader.Int("join.max-live-orders", 1, 100_000_000),
            PassivateAfter = reader.Time("join.passivate-after", TimeSpan.FromSeconds(1)),
            MaxVacant = reader.Int("join.max-vacant", 0, 10_000_000),
            Decoders = reader.Int("ingest.decoders", 1, 256),
            OrdersSubscription = reader.Text("ingest.orders-subscription"),
            PaymentsSubscription = reader.Text("ingest.payments-subscription"),
            ProbeInterval = reader.Time("ingest.probe-interval", TimeSpan.FromMilliseconds(10)),
            RejectUnusableFields = reader.Choice("ingest.unusable-fields", "store-null", "malformed") == "malformed",
            Writers = reader.Int("writer.writers", 1, 256),
            WriteBatchSize = reader.Int("writer.batch-size", 1, 100_000),
            WriteLinger = reader.Time("writer.linger", TimeSpan.Zero),
            MaxWritesInFlight = reader.Int("writer.max-in-flight", 1, 1_024),
            WriteBackoff = reader.Backoff("writer"),
            Grace = reader.Time("unmatched.grace", TimeSpan.Zero),
            ParkAfter = reader.Time("unmatched.park-after", TimeSpan.Zero),
            MaxParked = reader.Int("unmatched.max-parked", 0, 10_000_000),
            SweepInterval = reader.Time("unmatched.sweep-interval", TimeSpan.FromMilliseconds(10)),
            SweepBatch = reader.Int("unmatched.sweep-batch", 1, 100_000),
            MaxWaiting = reader.Int("unmatched.max-waiting", 0, 100_000_000),
            FullSweepInterval = reader.Time("unmatched.full-sweep-interval", TimeSpan.FromMilliseconds(10)),
            HealFromSubscription = reader.TextOrOff("unmatched.heal-from-subscription"),
            WatermarkIdle = reader.Time("unmatched.watermark-idle", TimeSpan.FromMilliseconds(1)),
            PaymentsDeadLetterTopic = reader.Text("dead-letters.payments-topic"),
            OrdersDeadLetterTopic = reader.Text("dead-letters.orders-topic"),
            DeadLetterBatchSize = reader.Int("dead-letters.batch-size", 1, 100_000),
            DeadLetterBackoff = reader.Backoff("dead-letters"),
            ShutdownTimeout = reader.Time("shutdown-timeout", TimeSpan.FromMilliseconds(100)),
        };
    }
}
