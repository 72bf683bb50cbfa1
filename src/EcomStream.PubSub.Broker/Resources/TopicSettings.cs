namespace EcomStream.PubSub.Broker.Resources;

/// <summary>What a topic is configured with.</summary>
internal sealed record TopicSettings : StoredRecord
{
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>How long every message is kept, acked or not, from its publish time on; null for as long as it is not acked.</summary>
    public TimeSpan? MessageRetention { get; init; }

    /// <summary>The schema that its messages conform to; null for any messages.</summary>
    public TopicSchema? Schema { get; init; }

    /// <summary>A serialized google.iam.v1.Policy in base64; null when none was set.</summary>
    public string? IamPolicy { get; init; }

    /// <summary>Fields that are kept and returned only: a serialized Topic in base64; null for none.</summary>
    public string? Unsupported { get; init; }

    protected override IEnumerable<StoredRecord?> Parts => [Schema];
}
