using System.Text;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Filters;

/// <summary>
/// A condition on a message's attributes: https://cloud.google.com/pubsub/docs/subscription-message-filter. Keys and
/// values are compared exactly, case included.
/// </summary>
internal abstract class MessageFilter
{
    /// <summary>Bytes that a filter may have.</summary>
    public const int MaxBytes = 256;

    /// <summary>Whether a subscription with this filter gets a message.</summary>
    /// <param name="message">A serialized PubsubMessage.</param>
    /// <exception cref="InvalidDataException">The bytes are not a message.</exception>
    public abstract bool Matches(ReadOnlySpan<byte> message);

    /// <summary>attributes:key</summary>
    internal sealed class Has(string key) : MessageFilter
    {
        private readonly byte[] _key = Encoding.UTF8.GetBytes(key);

        public override bool Matches(ReadOnlySpan<byte> message) => MessageFields.TryGetAttribute(message, _key, out _);
    }

    /// <summary>attributes.key = "value"</summary>
    internal sealed class Equal(string key, string value) : MessageFilter
    {
        private readonly byte[] _key = Encoding.UTF8.GetBytes(key);
        private readonly byte[] _value = Encoding.UTF8.GetBytes(value);

        public override bool Matches(ReadOnlySpan<byte> message) =>
            MessageFields.TryGetAttribute(message, _key, out var found) && found.SequenceEqual(_value);
    }

    /// <summary>hasPrefix(attributes.key, "prefix")</summary>
    internal sealed class HasPrefix(string key, string prefix) : MessageFilter
    {
        private readonly byte[] _key = Encoding.UTF8.GetBytes(key);
        private readonly byte[] _prefix = Encoding.UTF8.GetBytes(prefix);

        public override bool Matches(ReadOnlySpan<byte> message) =>
            MessageFields.TryGetAttribute(message, _key, out var found) && found.StartsWith(_prefix);
    }

    /// <summary>NOT condition</summary>
    internal sealed class Not(MessageFilter inner) : MessageFilter
    {
        public override bool Matches(ReadOnlySpan<byte> message) => !inner.Matches(message);
    }

    /// <summary>condition AND condition</summary>
    internal sealed class And(IReadOnlyList<MessageFilter> terms) : MessageFilter
    {
        public override bool Matches(ReadOnlySpan<byte> message)
        {
            foreach (var term in terms)
            {
                if (!term.Matches(message))
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>condition OR condition</summary>
    internal sealed class Or(IReadOnlyList<MessageFilter> terms) : MessageFilter
    {
        public override bool Matches(ReadOnlySpan<byte> message)
        {
            foreach (var term in terms)
            {
                if (term.Matches(message))
                {
                    return true;
                }
            }

            return false;
        }
    }
}
