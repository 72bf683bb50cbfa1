namespace EcomStream.PubSub.Broker;

/// <summary>A message that a test publishes (<see cref="EmbeddedBroker.Publish"/>).</summary>
public sealed record BrokerMessage
{
    /// <summary>The data. A message has data or an attribute.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>The attributes.</summary>
    public IDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    /// <summary>The ordering key; empty for none.</summary>
    public string OrderingKey { get; init; } = "";

    /// <summary>
    /// When it counts as published, later than every message of the topic before it; microseconds count. Null for the time of
    /// the broker. Only for a broker in memory.
    /// </summary>
    public DateTimeOffset? PublishTime { get; init; }
}
