namespace EcomStream.PubSub.Broker.Resources;

/// <summary>
/// What a subscription is configured with; the defaults are those of
/// https://cloud.google.com/pubsub/docs/subscription-properties.
/// </summary>
internal sealed record SubscriptionSettings : StoredRecord
{
    public static readonly TimeSpan DefaultRetention = TimeSpan.FromDays(7);
    public static readonly TimeSpan DefaultExpiration = TimeSpan.FromDays(31);
    public const int DefaultAckDeadlineSeconds = 10;

    public int AckDeadlineSeconds { get; init; } = DefaultAckDeadlineSeconds;

    public bool RetainAckedMessages { get; init; }

    public TimeSpan MessageRetention { get; init; } = DefaultRetention;

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    public bool EnableMessageOrdering { get; init; }

    /// <summary>How long it may be idle; null when it never expires.</summary>
    public TimeSpan? Expiration { get; init; } = DefaultExpiration;

    public string Filter { get; init; } = "";

    public DeadLetterSettings? DeadLetter { get; init; }

    public RetrySettings? Retry { get; init; }

    public bool EnableExactlyOnceDelivery { get; init; }

    public bool Detached { get; init; }

    /// <summary>Where messages are pushed to; null where they are pulled.</summary>
    public PushSettings? Push { get; init; }

    /// <summary>A serialized google.iam.v1.Policy in base64; null when none was set.</summary>
    public string? IamPolicy { get; init; }

    /// <summary>Fields that are kept and returned only: a serialized Subscription in base64; null for none.</summary>
    public string? Unsupported { get; init; }

    /// <summary>Whether it matters how often a delivery has failed.</summary>
    public bool CountsFailures => DeadLetter is not null || Retry is not null;

    protected override IEnumerable<StoredRecord?> Parts => [DeadLetter, Retry, Push];
}

/// <param name="Topic">Full name of the topic that undeliverable messages are forwarded to.</param>
/// <param name="MaxDeliveryAttempts">Deliveries after which a message is undeliverable.</param>
internal sealed record DeadLetterSettings(string Topic, int MaxDeliveryAttempts) : StoredRecord;

/// <param name="Minimum">Delay after the first failed delivery.</param>
/// <param name="Maximum">The longest delay.</param>
internal sealed record RetrySettings(TimeSpan Minimum, TimeSpan Maximum) : StoredRecord
{
    /// <summary>
    /// The delay before the next delivery, which doubles with each failure
    /// (https://cloud.google.com/pubsub/docs/handling-failures#exponential_backoff).
    /// </summary>
    public TimeSpan Delay(int failures)
    {
        var seconds = Minimum.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30));
        return seconds < Maximum.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Maximum;
    }
}
