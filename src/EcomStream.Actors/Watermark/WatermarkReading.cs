namespace EcomStream.Actors;

/// <summary>What keeps a watermark from being the broker's present.</summary>
public enum WatermarkHold
{
    /// <summary>Nothing: everything published so far was received.</summary>
    None,

    /// <summary>The subscription cannot be read.</summary>
    NotReading,

    /// <summary>A reader that is gone may still hold messages: the longest lease has not run out yet.</summary>
    Leases,

    /// <summary>No round trip to the broker has confirmed yet that what it sent has arrived.</summary>
    Unconfirmed,

    /// <summary>Messages are still being received.</summary>
    Backlog,

    /// <summary>A received message is not settled yet.</summary>
    Unsettled,

    /// <summary>A node of the cluster, which also reads the subscription, does not report how far it has read.</summary>
    Node,
}

/// <summary>How far a subscription has been read.</summary>
/// <param name="Micros">
/// Everything published before this time was received, microseconds since the Unix epoch on the broker's clock; null
/// while that is unknown.
/// </param>
/// <param name="Hold">What holds it back.</param>
/// <param name="HeldFor">For how long the same thing has held it.</param>
/// <param name="MessageId">The message that holds it, for <see cref="WatermarkHold.Unsettled"/>; otherwise empty.</param>
public readonly record struct WatermarkReading(long? Micros, WatermarkHold Hold, TimeSpan HeldFor, string MessageId = "")
{
    /// <summary>Whether everything that was published up to the last look has been received.</summary>
    public bool IsCaughtUp => Hold == WatermarkHold.None;

    /// <summary>The reading as a phrase for a log line.</summary>
    public override string ToString() => Hold switch
    {
        WatermarkHold.None => "caught up",
        WatermarkHold.NotReading => "the subscription cannot be read",
        WatermarkHold.Leases => "a reader that is gone may still hold messages",
        WatermarkHold.Unconfirmed => "the broker has not confirmed yet that all it sent has arrived",
        WatermarkHold.Backlog => "messages are still being received",
        WatermarkHold.Unsettled => $"message {MessageId} is not settled",
        WatermarkHold.Node => "a node of the cluster does not report how far it has read",
        _ => "",
    };
}
