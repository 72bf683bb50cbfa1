using System.Buffers;
using EcomStream.PubSub.Broker.Delivery;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// A StreamingPullResponse in its wire form, built straight from the log: a stored message is the serialized
/// PubsubMessage, so sending it on needs no object. Protocol buffers encoding:
/// https://protobuf.dev/programming-guides/encoding
/// </summary>
internal sealed class RawPullResponse
{
    // Field 1 of the response (received_messages), fields 1 (ack_id) and 2 (message) of ReceivedMessage, wire type LEN;
    // its field 3 (delivery_attempt), wire type VARINT.
    private const byte ReceivedMessagesTag = (1 << 3) | 2;
    private const byte AckIdTag = (1 << 3) | 2;
    private const byte MessageTag = (2 << 3) | 2;
    private const byte DeliveryAttemptTag = 3 << 3;

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

    /// <param name="ackId">What it is acked with.</param>
    /// <param name="message">The serialized PubsubMessage.</param>
    /// <param name="attempt">Which attempt this is; 0 where they are not counted, which leaves the field out.</param>
    public void Add(AckId ackId, ReadOnlySpan<byte> message, int attempt)
    {
        Span<byte> id = stackalloc byte[AckId.LongestBytes];
        var idLength = ackId.Format(id);
        var received = 1 + VarintSize(idLength) + idLength + 1 + VarintSize(message.Length) + message.Length
            + (attempt > 0 ? 1 + VarintSize(attempt) : 0);
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
        if (attempt > 0)
        {
            span[at++] = DeliveryAttemptTag;
            at += WriteVarint(span[at..], attempt);
        }

        _bytes.Advance(at);
        Count++;
    }

    /// <summary>Adds the other fields of a response: messages on the wire that follow each other are merged.</summary>
    public void Add(StreamingPullResponse fields)
    {
        var size = fields.CalculateSize();
        fields.WriteTo(_bytes.GetSpan(size)[..size]);
        _bytes.Advance(size);
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
