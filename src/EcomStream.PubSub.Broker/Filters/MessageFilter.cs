namespace EcomStream.PubSub.Broker.Filters;

/// <summary>
/// A condition on a message's attributes: https://cloud.google.com/pubsub/docs/subscription-message-filter. Keys and
/// values are compared exactly, case included.
/// </summary>
internal abstract record MessageFilter
{
    /// <summary>Bytes that a filter may have.</summary>
    public const int MaxBytes = 256;

    public abstract bool Matches(IReadOnlyDictionary<string, string> attributes);

    /// <summary>attributes:key</summary>
    internal sealed record Has(string Key) : MessageFilter
    {
        public override bool Matches(IReadOnlyDictionary<string, string> attributes) => attributes.ContainsKey(Key);
    }

    /// <summary>attributes.key = "value"</summary>
    internal sealed record Equal(string Key, string Value) : MessageFilter
    {
        public override bool Matches(IReadOnlyDictionary<string, string> attributes) =>
            attributes.TryGetValue(Key, out var value) && value == Value;
    }

    /// <summary>hasPrefix(attributes.key, "prefix")</summary>
    internal sealed record HasPrefix(string Key, string Prefix) : MessageFilter
    {
        public override bool Matches(IReadOnlyDictionary<string, string> attributes) =>
            attributes.TryGetValue(Key, out var value) && value.StartsWith(Prefix, StringComparison.Ordinal);
    }

    /// <summary>NOT condition</summary>
    internal sealed record Not(MessageFilter Inner) : MessageFilter
    {
        public override bool Matches(IReadOnlyDictionary<string, string> attributes) => !Inner.Matches(attributes);
    }

    /// <summary>condition AND condition</summary>
    internal sealed record And(IReadOnlyList<MessageFilter> Terms) : MessageFilter
    {
        public override bool Matches(IReadOnlyDictionary<string, string> attributes) => Terms.All(term => term.Matches(attributes));
    }

    /// <summary>condition OR condition</summary>
    internal sealed record Or(IReadOnlyList<MessageFilter> Terms) : MessageFilter
    {
        public override bool Matches(IReadOnlyDictionary<string, string> attributes) => Terms.Any(term => term.Matches(attributes));
    }
}
