using System.Text;
using System.Text.Unicode;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Publishing;

/// <summary>
/// What may be published. A request is first judged by its bytes: most have nothing that needs a second look. Any other
/// is parsed, and what is wrong with it is INVALID_ARGUMENT.
/// </summary>
internal static class PublishRules
{
    private const byte TopicTag = (PublishRequest.TopicFieldNumber << 3) | ProtobufWire.Len;
    private const byte MessagesTag = (PublishRequest.MessagesFieldNumber << 3) | ProtobufWire.Len;
    private const byte DataTag = (PubsubMessage.DataFieldNumber << 3) | ProtobufWire.Len;
    private const byte AttributesTag = (PubsubMessage.AttributesFieldNumber << 3) | ProtobufWire.Len;
    private const byte OrderingKeyTag = (PubsubMessage.OrderingKeyFieldNumber << 3) | ProtobufWire.Len;
    private const byte KeyTag = (ProtobufWire.MapKey << 3) | ProtobufWire.Len;
    private const byte ValueTag = (ProtobufWire.MapValue << 3) | ProtobufWire.Len;

    /// <summary>The most that a request may have, bytes.</summary>
    public const int MaxRequestBytes = 10 << 20;

    // https://cloud.google.com/pubsub/quotas#resource_limits
    private const int MaxMessages = 1_000;
    private const int MaxMessageBytes = 10_000_000;
    private const int MaxAttributes = 100;
    private const int MaxAttributeKeyBytes = 256;
    private const int MaxAttributeValueBytes = 1_024;
    private const int MaxOrderingKeyBytes = 1_024;

    // Attributes that begin so are the service's, but for the official clients' own, such as a trace's context.
    private const string ServicePrefix = "goog";
    private const string ClientPrefix = "googclient_";
    private static readonly byte[] _servicePrefix = Encoding.UTF8.GetBytes(ServicePrefix);
    private static readonly byte[] _clientPrefix = Encoding.UTF8.GetBytes(ClientPrefix);

    /// <summary>
    /// Whether a request surely may be published as it is. When not, it may still be: it has a field that is unknown,
    /// repeated or the broker's to set, or an encoding that some readers might not take.
    /// </summary>
    /// <param name="request">The serialized PublishRequest.</param>
    /// <param name="topic">The topic's name, valid UTF-8.</param>
    /// <param name="count">Its messages.</param>
    public static bool Allow(ReadOnlySpan<byte> request, out ReadOnlySpan<byte> topic, out int count)
    {
        topic = default;
        count = 0;
        if (request.Length > MaxRequestBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> firstKey = default;
        while (!request.IsEmpty)
        {
            if (!Next(ref request, out var tag, out var value))
            {
                return false;
            }

            switch (tag)
            {
                case TopicTag when topic.IsEmpty:
                    topic = value;
                    break;
                case MessagesTag when AllowMessage(value, out var key) && (count == 0 || key.SequenceEqual(firstKey)):
                    firstKey = key;
                    count++;
                    break;
                default:
                    return false;
            }
        }

        return count is > 0 and <= MaxMessages && Utf8.IsValid(topic);
    }

    /// <summary>Refuses a request that may not be published.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT.</exception>
    public static void Check(PublishRequest request)
    {
        if (request.Messages.Count is 0 or > MaxMessages)
        {
            throw ServiceCalls.Invalid($"A publish carries 1 to {MaxMessages} messages, this one {request.Messages.Count}.");
        }

        var key = request.Messages[0].OrderingKey;
        foreach (var message in request.Messages)
        {
            CheckMessage(message);
            if (message.OrderingKey != key)
            {
                throw ServiceCalls.Invalid("The messages of one publish must all have the same ordering key, or none.");
            }
        }

        var size = request.CalculateSize();
        if (size > MaxRequestBytes)
        {
            throw ServiceCalls.Invalid($"A publish has at most {MaxRequestBytes} bytes, this one {size}.");
        }
    }

    private static bool AllowMessage(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> orderingKey)
    {
        orderingKey = default;
        var (dataLength, attributes) = (-1, 0);
        while (!message.IsEmpty)
        {
            if (!Next(ref message, out var tag, out var value))
            {
                return false;
            }

            switch (tag)
            {
                case DataTag when dataLength < 0:
                    dataLength = value.Length;
                    break;
                case AttributesTag when attributes < MaxAttributes && AllowAttribute(value):
                    attributes++;
                    break;
                case OrderingKeyTag when orderingKey.IsEmpty:
                    orderingKey = value;
                    break;
                default:
                    return false;
            }
        }

        return (dataLength > 0 || attributes > 0) && dataLength <= MaxMessageBytes
            && orderingKey.Length <= MaxOrderingKeyBytes && Utf8.IsValid(orderingKey);
    }

    // As every serializer writes it: the key, then the value, which some leave out when it is empty.
    private static bool AllowAttribute(ReadOnlySpan<byte> entry)
    {
        ReadOnlySpan<byte> value = default;
        return Next(ref entry, out var tag, out var key) && tag == KeyTag
            && (entry.IsEmpty || (Next(ref entry, out tag, out value) && tag == ValueTag && entry.IsEmpty))
            && key.Length is > 0 and <= MaxAttributeKeyBytes && value.Length <= MaxAttributeValueBytes
            && (!key.StartsWith(_servicePrefix) || key.StartsWith(_clientPrefix))
            && Utf8.IsValid(key) && Utf8.IsValid(value);
    }

    // The next field, if it is one of wire type LEN whose tag and length are no longer than they need be.
    private static bool Next(scoped ref ReadOnlySpan<byte> input, out byte tag, out ReadOnlySpan<byte> value)
    {
        tag = 0;
        value = default;
        if (input.IsEmpty || input[0] >= 0x80)
        {
            return false;
        }

        tag = input[0];
        var rest = input[1..];
        if (!ProtobufWire.TryReadVarint(ref rest, out var length)
            || length > (ulong)rest.Length || input.Length - rest.Length != 1 + ProtobufWire.VarintSize(length))
        {
            return false;
        }

        value = rest[..(int)length];
        input = rest[(int)length..];
        return true;
    }

    private static void CheckMessage(PubsubMessage message)
    {
        if (message.Data.Length == 0 && message.Attributes.Count == 0)
        {
            throw ServiceCalls.Invalid("A message must have data or at least one attribute.");
        }

        if (message.Data.Length > MaxMessageBytes)
        {
            throw ServiceCalls.Invalid($"A message has at most {MaxMessageBytes} bytes of data, this one {message.Data.Length}.");
        }

        if (FieldRules.IsLonger(message.OrderingKey, MaxOrderingKeyBytes))
        {
            throw ServiceCalls.Invalid($"An ordering key has at most {MaxOrderingKeyBytes} bytes.");
        }

        if (message.Attributes.Count > MaxAttributes)
        {
            throw ServiceCalls.Invalid($"A message has at most {MaxAttributes} attributes, this one {message.Attributes.Count}.");
        }

        foreach (var (key, value) in message.Attributes)
        {
            if (key.Length == 0 || FieldRules.IsLonger(key, MaxAttributeKeyBytes) || FieldRules.IsLonger(value, MaxAttributeValueBytes)
                || (key.StartsWith(ServicePrefix, StringComparison.Ordinal) && !key.StartsWith(ClientPrefix, StringComparison.Ordinal)))
            {
                throw ServiceCalls.Invalid(
                    $"The attribute '{key}' is not allowed: a key has 1 to {MaxAttributeKeyBytes} bytes and does not begin with {ServicePrefix}, a value has at most {MaxAttributeValueBytes} bytes.");
            }
        }
    }
}
