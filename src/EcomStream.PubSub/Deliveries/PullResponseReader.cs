using System.Buffers;
using System.Text;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

using static EcomStream.PubSub.Protocol.ProtobufWire;

namespace EcomStream.PubSub;

/// <summary>
/// Reads a StreamingPullResponse from its wire form straight into deliveries: of each message its data is copied once
/// and its attributes stay unparsed until someone asks. (The generated classes make a map, two collections and four
/// more objects for each message.)
/// </summary>
internal static class PullResponseReader
{
    /// <summary>The received messages of a response.</summary>
    /// <exception cref="InvalidDataException">The bytes are no StreamingPullResponse.</exception>
    public static PullResponse Read(ReadOnlySequence<byte> response, IDeliverySettler settler)
    {
        byte[]? rented = null;
        try
        {
            if (response.IsSingleSegment)
            {
                return Read(response.FirstSpan, settler);
            }

            rented = ArrayPool<byte>.Shared.Rent((int)response.Length);
            response.CopyTo(rented);
            return Read(rented.AsSpan(0, (int)response.Length), settler);
        }
        catch (InvalidDataException broken)
        {
            throw new InvalidDataException($"The server sent an invalid StreamingPullResponse: {broken.Message}", broken);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    /// <summary>Parses the map entries that <see cref="Message"/> put aside: each its length, then key and value.</summary>
    public static IReadOnlyDictionary<string, string> Attributes(ReadOnlySpan<byte> raw)
    {
        var attributes = new Dictionary<string, string>();
        while (!raw.IsEmpty)
        {
            var entry = ReadLen(ref raw);
            string key = "", value = "";
            while (!entry.IsEmpty)
            {
                var tag = ReadVarint(ref entry);
                switch (tag)
                {
                    case (MapKey << 3) | Len:
                        key = Encoding.UTF8.GetString(ReadLen(ref entry));
                        break;
                    case (MapValue << 3) | Len:
                        value = Encoding.UTF8.GetString(ReadLen(ref entry));
                        break;
                    default:
                        Skip(ref entry, tag);
                        break;
                }
            }

            attributes[key] = value;
        }

        return attributes;
    }

    private static PullResponse Read(ReadOnlySpan<byte> response, IDeliverySettler settler)
    {
        var deliveries = new PubSubDelivery[Count(response)];
        var (count, redelivered, bytes, exactlyOnce) = (0, 0, 0L, default(bool?));
        while (!response.IsEmpty)
        {
            var tag = ReadVarint(ref response);
            if (tag == ((StreamingPullResponse.ReceivedMessagesFieldNumber << 3) | Len))
            {
                var delivery = Received(ReadLen(ref response), settler, out var attempt);
                bytes += delivery.Bytes;
                redelivered += attempt > 1 ? 1 : 0;
                deliveries[count++] = delivery;
            }
            else if (tag == ((StreamingPullResponse.SubscriptionPropertiesFieldNumber << 3) | Len))
            {
                exactlyOnce = IsExactlyOnce(ReadLen(ref response));
            }
            else
            {
                Skip(ref response, tag);
            }
        }

        return new PullResponse(deliveries, bytes, redelivered, exactlyOnce);
    }

    private static bool IsExactlyOnce(ReadOnlySpan<byte> properties)
    {
        var enabled = false;
        while (!properties.IsEmpty)
        {
            var tag = ReadVarint(ref properties);
            if (tag == ((StreamingPullResponse.Types.SubscriptionProperties.ExactlyOnceDeliveryEnabledFieldNumber << 3) | Varint))
            {
                enabled = ReadVarint(ref properties) != 0;
            }
            else
            {
                Skip(ref properties, tag);
            }
        }

        return enabled;
    }

    private static int Count(ReadOnlySpan<byte> response)
    {
        var count = 0;
        while (!response.IsEmpty)
        {
            var tag = ReadVarint(ref response);
            count += tag == ((StreamingPullResponse.ReceivedMessagesFieldNumber << 3) | Len) ? 1 : 0;
            Skip(ref response, tag);
        }

        return count;
    }

    private static PubSubDelivery Received(ReadOnlySpan<byte> received, IDeliverySettler settler, out ulong attempt)
    {
        attempt = 0;
        var ackId = "";
        var message = ReadOnlySpan<byte>.Empty;
        while (!received.IsEmpty)
        {
            var tag = ReadVarint(ref received);
            switch (tag)
            {
                case (ReceivedMessage.AckIdFieldNumber << 3) | Len:
                    ackId = Encoding.UTF8.GetString(ReadLen(ref received));
                    break;
                case (ReceivedMessage.MessageFieldNumber << 3) | Len:
                    message = ReadLen(ref received);
                    break;
                case (ReceivedMessage.DeliveryAttemptFieldNumber << 3) | Varint:
                    attempt = ReadVarint(ref received);
                    break;
                default:
                    Skip(ref received, tag);
                    break;
            }
        }

        return Message(message, ackId, settler);
    }

    private static PubSubDelivery Message(ReadOnlySpan<byte> message, string ackId, IDeliverySettler settler)
    {
        byte[] data = [];
        byte[]? attributes = null;
        var (messageId, orderingKey) = ("", "");
        long publishMicros = 0;
        while (!message.IsEmpty)
        {
            var tag = ReadVarint(ref message);
            switch (tag)
            {
                case (PubsubMessage.DataFieldNumber << 3) | Len:
                    data = ReadLen(ref message).ToArray();
                    break;
                case (PubsubMessage.AttributesFieldNumber << 3) | Len:
                    var before = message;
                    ReadLen(ref message);
                    var entry = before[..(before.Length - message.Length)];
                    attributes = attributes is null ? entry.ToArray() : [.. attributes, .. entry];
                    break;
                case (PubsubMessage.MessageIdFieldNumber << 3) | Len:
                    messageId = Encoding.UTF8.GetString(ReadLen(ref message));
                    break;
                case (PubsubMessage.PublishTimeFieldNumber << 3) | Len:
                    publishMicros = Micros(ReadLen(ref message));
                    break;
                case (PubsubMessage.OrderingKeyFieldNumber << 3) | Len:
                    orderingKey = Encoding.UTF8.GetString(ReadLen(ref message));
                    break;
                default:
                    Skip(ref message, tag);
                    break;
            }
        }

        return new PubSubDelivery(settler, ackId, messageId, data, publishMicros, attributes) { OrderingKey = orderingKey };
    }

    // A Timestamp in microseconds since the Unix epoch.
    private static long Micros(ReadOnlySpan<byte> timestamp)
    {
        long seconds = 0, nanos = 0;
        while (!timestamp.IsEmpty)
        {
            var tag = ReadVarint(ref timestamp);
            switch (tag)
            {
                case (Timestamp.SecondsFieldNumber << 3) | Varint:
                    seconds = (long)ReadVarint(ref timestamp);
                    break;
                case (Timestamp.NanosFieldNumber << 3) | Varint:
                    nanos = (long)ReadVarint(ref timestamp);
                    break;
                default:
                    Skip(ref timestamp, tag);
                    break;
            }
        }

        return (seconds * 1_000_000) + (nanos / 1_000);
    }
}

/// <summary>What a StreamingPullResponse brought.</summary>
/// <param name="Deliveries">Its messages; none in a heartbeat.</param>
/// <param name="Bytes">Their bytes together.</param>
/// <param name="Redelivered">How many the broker says it had delivered before, which it does only where the subscription has a dead-letter policy.</param>
/// <param name="IsExactlyOnce">Whether the subscription delivers exactly once; null where the response does not say.</param>
internal sealed record PullResponse(PubSubDelivery[] Deliveries, long Bytes, int Redelivered, bool? IsExactlyOnce);
