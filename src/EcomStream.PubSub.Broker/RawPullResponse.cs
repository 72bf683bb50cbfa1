using System.Buffers;
using System.Buffers.Text;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// A StreamingPullResponse in its wire form, built straight from the log: a stored message is the serialized
/// PubsubMessage, so sending it on needs no object. Protocol buffers encoding:
/// https://protobuf.dev/programming-guides/encoding
/// </summary>
internal sealed class RawPullResponse
{
    // Field 1 of the response (received_messages), fields 1 (ack_id) and 2 (message) of ReceivedMessage; wire type LEN.
    private const byte ReceivedMessagesTag = (1 << 3) | 2;
    private const byte AckIdTag = (1 << 3) | 2;
    private const byte MessageTag = (2 << 3) | 2;
    private const int LongestAckId = 20;

    private const int UsualCapacity = 4 << 20;

    private ArrayBufferWriter<byte> _bytes = new(64 << 10);

    public int Count { get; private set; }

    public ReadOnlySpan<byte> Bytes => _bytes.WrittenSpan;

    public void Clear()
    {
        Count = 0;
        if (_bytes.Capacity > UsualCapacity)
        {
            // The room of one large message is not kept for the life of the stream.
            _bytes = new ArrayBufferWriter<byte>(64 << 10);
        }
        else
        {
            _bytes.ResetWrittenCount();
        }
    }

    public void Add(long ackId, ReadOnlySpan<byte> message)
    {
        Span<byte> id = stackalloc byte[LongestAckId];
        Utf8Formatter.TryFormat(ackId, id, out var idLength);
        var received = 1 + VarintSize(idLength) + idLength + 1 + VarintSize(message.Length) + message.Length;
        var span = _bytes.GetSpan(1 + 5 + received);
        var at = 0;
        span[at++] = ReceivedMessagesTag;
        at += WriteVarint(span[at..], received);
        span[at++] = AckIdTag;
        at += WriteVarint(span[at..], idLength);
        id[..idLength].CopyTo(span[at..]);
        at += idLength;
        span[at++] = MessageTag;
        at += WriteVarint(span[at..], message.Length);
        message.CopyTo(span[at..]);
        at += message.Length;
        _bytes.Advance(at);
        Count++;
    }

    private static int VarintSize(int value) => CodedOutputStream.ComputeUInt32Size((uint)value);

    private static int WriteVarint(Span<byte> target, int value)
    {
        var at = 0;
        var rest = (uint)value;
        while (rest >= 0x80)
        {
            target[at++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        target[at++] = (byte)rest;
        return at;
    }
}
