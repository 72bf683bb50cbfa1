using EcomStream.Actors;

namespace EcomStream.Hosting;

/// <summary>What is known of one subscription.</summary>
internal sealed record SubscriptionObservation
{
    /// <summary>Its name, as configured.</summary>
    public required string Name { get; init; }

    /// <summary>Whether its streams are open.</summary>
    public required bool IsReading { get; init; }

    /// <summary>Messages received and not settled.</summary>
    public int Outstanding { get; init; }

    /// <summary>Their bytes.</summary>
    public long OutstandingBytes { get; init; }

    /// <summary>Time since a message of it was last received.</summary>
    public TimeSpan SinceLastReceived { get; init; }

    /// <summary>Whether the bounds on outstanding messages and bytes are reached.</summary>
    public bool IsFull { get; init; }

    /// <summary>Messages that are published and not acked; null when the broker does not report it.</summary>
    public long? Backlog { get; init; }

    /// <summary>Messages of the backlog that no reader holds; null when the broker does not report it.</summary>
    public long? Undelivered { get; init; }

    /// <summary>Age of the oldest message that is known to be unacked; null without one.</summary>
    public TimeSpan? BacklogAge { get; init; }

    /// <summary>Why the broker did not answer the last round trip; null when it did.</summary>
    public string? ProbeError { get; init; }
}

/// <summary>What is known of a pipeline and of what it uses at one time.</summary>
internal sealed record PipelineObservation
{
    /// <summary>Whether the pipeline was created: its resources are open.</summary>
    public bool IsCreated { get; init; }

    /// <summary>Whether it reads its subscriptions.</summary>
    public bool IsStarted { get; init; }

    /// <summary>Whether the host stops, and the pipeline drains.</summary>
    public bool IsStopping { get; init; }

    /// <summary>Whether it was drained.</summary>
    public bool HasEnded { get; init; }

    /// <summary>Why it failed; null when it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>The store.</summary>
    public StoreCondition Store { get; init; }

    /// <summary>The subscriptions that are read.</summary>
    public IReadOnlyList<SubscriptionObservation> Subscriptions { get; init; } = [];

    /// <summary>How far the orders have been read.</summary>
    public WatermarkReading Watermark { get; init; }

    /// <summary>Orders with payments that wait.</summary>
    public int WaitingOrders { get; init; }

    /// <summary>Free space on the disk of the data folder, bytes; null when it is not used.</summary>
    public long? FreeDisk { get; init; }
}
