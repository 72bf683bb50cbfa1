using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Single fields of a stored message, read from its bytes: filters and ordering need no object per message and no copy of its
/// data. Of a field that is repeated the last one counts (https://protobuf.dev/programming-guides/encoding#last-one-wins).
/// </summary>
internal static class MessageFields
{
    private const ulong OrderingKeyTag = (PubsubMessage.OrderingKeyFieldNumber << 3) | ProtobufWire.Len;
    private const ulong AttributesTag = (PubsubMessage.AttributesFieldNumber << 3) | ProtobufWire.Len;
    private const ulong KeyTag = (ProtobufWire.MapKey << 3) | ProtobufWire.Len;
    private const ulong ValueTag = (ProtobufWire.MapValue << 3) | ProtobufWire.Len;

    /// <summary>The ordering key in UTF-8; empty when the message has none.</summary>
    /// <param name="message">A serialized PubsubMessage.</param>
    /// <exception cref="InvalidDataException">The bytes are not a message.</exception>
    public static ReadOnlySpan<byte> OrderingKey(ReadOnlySpan<byte> message)
    {
        ReadOnlySpan<byte> key = default;
        while (!message.IsEmpty)
        {
            var tag = ProtobufWire.ReadVarint(ref message);
            if (tag == OrderingKeyTag)
            {
                key = ProtobufWire.ReadLen(ref message);
            }
            else
            {
                ProtobufWire.Skip(ref message, tag);
            }
        }

        return key;
    }

    /// <summary>The value of an attribute.</summary>
    /// <param name="message">A serialized PubsubMessage.</param>
    /// <param name="name">The name of the attribute, UTF-8.</param>
    /// <param name="value">Its value, UTF-8.</param>
    /// <returns>Whether the message has the attribute.</returns>
    /// <exception cref="InvalidDataException">The bytes are not a message.</exception>
    public static bool TryGetAttribute(ReadOnlySpan<byte> message, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        value = default;
        var found = false;
        while (!message.IsEmpty)
        {
            var tag = ProtobufWire.ReadVarint(ref message);
            if (tag != AttributesTag)
            {
                ProtobufWire.Skip(ref message, tag);
                continue;
            }

            ReadEntry(ProtobufWire.ReadLen(ref message), out var key, out var entryValue);
            if (key.SequenceEqual(name))
            {
                value = entryValue;
                found = true;
            }
        }

        return found;
    }

    private static void ReadEntry(ReadOnlySpan<byte> entry, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        key = value = default;
        while (!entry.IsEmpty)
        {
            switch (ProtobufWire.ReadVarint(ref entry))
            {
                case KeyTag:
                    key = ProtobufWire.ReadLen(ref entry);
                    break;
                case ValueTag:
                    value = ProtobufWire.ReadLen(ref entry);
                    break;
                case var tag:
                    ProtobufWire.Skip(ref entry, tag);
                    break;
            }
        }
    }
}
