using System.Buffers.Text;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// What the broker gives each message, its message_id and its publish_time, written behind the fields that the publisher
/// gave it: fields may stand in any order.
/// </summary>
internal static class MessageStamp
{
    /// <summary>The most digits that a message id has.</summary>
    public const int LongestMessageId = 19;

    /// <summary>The most that <see cref="Write"/> writes, in bytes.</summary>
    public const int LongestBytes = 2 + LongestMessageId + 2 + (1 + 10) + (1 + 5);

    private const byte SecondsTag = (Timestamp.SecondsFieldNumber << 3) | ProtobufWire.Varint;
    private const byte NanosTag = (Timestamp.NanosFieldNumber << 3) | ProtobufWire.Varint;

    /// <param name="target">Where to; at least <see cref="LongestBytes"/>.</param>
    /// <param name="messageId">The id, which is a decimal number.</param>
    /// <param name="publishMicros">The publish time, microseconds since the Unix epoch.</param>
    /// <returns>The bytes written.</returns>
    public static int Write(Span<byte> target, long messageId, long publishMicros)
    {
        Span<byte> value = stackalloc byte[LongestBytes];
        Utf8Formatter.TryFormat(messageId, value, out var length);
        var at = ProtobufWire.WriteLen(target, PubsubMessage.MessageIdFieldNumber, length);
        value[..length].CopyTo(target[at..]);
        at += length;

        value[0] = SecondsTag;
        length = 1 + ProtobufWire.WriteVarint(value[1..], (ulong)(publishMicros / 1_000_000));
        value[length] = NanosTag;
        length += 1 + ProtobufWire.WriteVarint(value[(length + 1)..], (ulong)(publishMicros % 1_000_000) * 1_000);
        at += ProtobufWire.WriteLen(target[at..], PubsubMessage.PublishTimeFieldNumber, length);
        value[..length].CopyTo(target[at..]);
        return at + length;
    }
}
