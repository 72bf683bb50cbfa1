namespace EcomStream.PubSub.Broker.Resources;

/// <summary>Where and how messages are pushed.</summary>
/// <param name="Endpoint">The URL that gets them.</param>
internal sealed record PushSettings(string Endpoint) : StoredRecord
{
    /// <summary>Attributes of the endpoint; kept and returned.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether requests carry a token.</summary>
    public OidcSettings? Oidc { get; init; }

    /// <summary>Whether the body is the data of the message alone.</summary>
    public bool IsUnwrapped { get; init; }

    /// <summary>Whether, unwrapped, the headers carry the attributes and what the service knows of the message.</summary>
    public bool WritesMetadata { get; init; }

    protected override IEnumerable<StoredRecord?> Parts => [Oidc];
}

/// <param name="Email">The service account that the token names.</param>
/// <param name="Audience">Whom the token is for; the endpoint's URL when empty.</param>
internal sealed record OidcSettings(string Email, string Audience) : StoredRecord;
