using System.Buffers;
using System.Text;

namespace EcomStream.PubSub;

/// <summary>
/// Reads a StreamingPullResponse from its wire form straight into deliveries: of each message its data is copied once
/// and its attributes stay unparsed until someone asks. (The generated classes make a map, two collections and four
/// more objects for each message.) Encoding: https://protobuf.dev/programming-guides/encoding; field numbers:
/// google/pubsub/v1/pubsub.proto.
/// </summary>
internal static class PullResponseReader
{
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Length = 2;
    private const int Fixed32 = 5;

    /// <summary>The received messages of a response.</summary>
    /// <exception cref="InvalidDataException">The bytes are no StreamingPullResponse.</exception>
    public static PullResponse Read(ReadOnlySequence<byte> response, Settler settler)
    {
        if (response.IsSingleSegment)
        {
            return Read(response.FirstSpan, settler);
        }

        var rented = ArrayPool<byte>.Shared.Rent((int)response.Length);
        try
        {
            response.CopyTo(rented);
            return Read(rented.AsSpan(0, (int)response.Length), settler);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Parses the map entries that <see cref="Message"/> put aside: each its length, then key and value.</summary>
    public static IReadOnlyDictionary<string, string> Attributes(ReadOnlySpan<byte> raw)
    {
        var attributes = new Dictionary<string, string>();
        while (!raw.IsEmpty)
        {
            var entry = Slice(ref raw);
            string key = "", value = "";
            while (!entry.IsEmpty)
            {
                var tag = ReadVarint(ref entry);
                switch (tag)
                {
                    case (1 << 3) | Length:
                        key = Encoding.UTF8.GetString(Slice(ref entry));
                        break;
                    case (2 << 3) | Length:
                        value = Encoding.UTF8.GetString(Slice(ref entry));
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

    private static PullResponse Read(ReadOnlySpan<byte> response, Settler settler)
    {
        var deliveries = new PubSubDelivery[Count(response)];
        var (count, redelivered, bytes, exactlyOnce) = (0, 0, 0L, false);
        while (!response.IsEmpty)
        {
            var tag = ReadVarint(ref response);
            if (tag == ((1 << 3) | Length))
            {
                var delivery = Received(Slice(ref response), settler, out var attempt);
                bytes += delivery.Bytes;
                redelivered += attempt > 1 ? 1 : 0;
                deliveries[count++] = delivery;
            }
            else if (tag == ((4 << 3) | Length))
            {
                exactlyOnce = IsExactlyOnce(Slice(ref response));
            }
            else
            {
                Skip(ref response, tag);
            }
        }

        return new PullResponse(deliveries, bytes, redelivered, exactlyOnce);
    }

    // SubscriptionProperties: exactly_once_delivery_enabled (1).
    private static bool IsExactlyOnce(ReadOnlySpan<byte> properties)
    {
        var enabled = false;
        while (!properties.IsEmpty)
        {
            var tag = ReadVarint(ref properties);
            if (tag == ((1 << 3) | Varint))
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
            count += tag == ((1 << 3) | Length) ? 1 : 0;
            Skip(ref response, tag);
        }

        return count;
    }

    private static PubSubDelivery Received(ReadOnlySpan<byte> received, Settler settler, out ulong attempt)
    {
        attempt = 0;
        var ackId = "";
        var message = ReadOnlySpan<byte>.Empty;
        while (!received.IsEmpty)
        {
            var tag = ReadVarint(ref received);
            switch (tag)
            {
                case (1 << 3) | Length:
                    ackId = Encoding.UTF8.GetString(Slice(ref received));
                    break;
                case (2 << 3) | Length:
                    message = Slice(ref received);
                    break;
                case (3 << 3) | Varint:
                    attempt = ReadVarint(ref received);
                    break;
                default:
                    Skip(ref received, tag);
                    break;
            }
        }

        return Message(message, ackId, settler);
    }

    private static PubSubDelivery Message(ReadOnlySpan<byte> message, string ackId, Settler settler)
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
                case (1 << 3) | Length:
                    data = Slice(ref message).ToArray();
                    break;
                case (2 << 3) | Length:
                    var before = message;
                    Slice(ref message);
                    var entry = before[..(before.Length - message.Length)];
                    attributes = attributes is null ? entry.ToArray() : [.. attributes, .. entry];
                    break;
                case (3 << 3) | Length:
                    messageId = Encoding.UTF8.GetString(Slice(ref message));
                    break;
                case (4 << 3) | Length:
                    publishMicros = Timestamp(Slice(ref message));
                    break;
                case (5 << 3) | Length:
                    orderingKey = Encoding.UTF8.GetString(Slice(ref message));
                    break;
                default:
                    Skip(ref message, tag);
                    break;
            }
        }

        return new PubSubDelivery(settler, ackId, messageId, data, publishMicros, attributes) { OrderingKey = orderingKey };
    }

    // google.protobuf.Timestamp: seconds (1), nanos (2).
    private static long Timestamp(ReadOnlySpan<byte> timestamp)
    {
        long seconds = 0, nanos = 0;
        while (!timestamp.IsEmpty)
        {
            var tag = ReadVarint(ref timestamp);
            switch (tag)
            {
                case (1 << 3) | Varint:
                    seconds = (long)ReadVarint(ref timestamp);
                    break;
                case (2 << 3) | Varint:
                    nanos = (long)ReadVarint(ref timestamp);
                    break;
                default:
                    Skip(ref timestamp, tag);
                    break;
            }
        }

        return (seconds * 1_000_000) + (nanos / 1_000);
    }

    private static ReadOnlySpan<byte> Slice(scoped ref ReadOnlySpan<byte> input)
    {
        var length = ReadVarint(ref input);
        if (length > (ulong)input.Length)
        {
            throw Broken();
        }

        var slice = input[..(int)length];
        input = input[(int)length..];
        return slice;
    }

    private static void Skip(scoped ref ReadOnlySpan<byte> input, ulong tag)
    {
        switch ((int)(tag & 7))
        {
            case Varint:
                ReadVarint(ref input);
                break;
            case Length:
                Slice(ref input);
                break;
            case Fixed64 when input.Length >= 8:
                input = input[8..];
                break;
            case Fixed32 when input.Length >= 4:
                input = input[4..];
                break;
            default:
                throw Broken();
        }
    }

    private static ulong ReadVarint(scoped ref ReadOnlySpan<byte> input)
    {
        ulong value = 0;
        for (var i = 0; i < input.Length && i < 10; i++)
        {
            var b = input[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                input = input[(i + 1)..];
                return value;
            }
        }

        throw Broken();
    }

    private static InvalidDataException Broken() => new("The server sent bytes that are no StreamingPullResponse.");
}

/// <summary>What a StreamingPullResponse brought.</summary>
/// <param name="Deliveries">Its messages; none in a heartbeat.</param>
/// <param name="Bytes">Their bytes together.</param>
/// <param name="Redelivered">How many the broker says it had delivered before, which it does only where the subscription has a dead-letter policy.</param>
/// <param name="IsExactlyOnce">Whether it says that the subscription delivers exactly once.</param>
internal sealed record PullResponse(PubSubDelivery[] Deliveries, long Bytes, int Redelivered, bool IsExactlyOnce);
