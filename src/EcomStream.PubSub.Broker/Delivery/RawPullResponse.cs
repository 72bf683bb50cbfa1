using System.Buffers;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// A StreamingPullResponse in its wire form, built straight from the log: a stored message is the serialized
/// PubsubMessage, so sending it on needs no object.
/// </summary>
internal sealed class RawPullResponse
{
    private const byte DeliveryAttemptTag = (ReceivedMessage.DeliveryAttemptFieldNumber << 3) | ProtobufWire.Varint;

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
        var received = ProtobufWire.LenSize(idLength) + ProtobufWire.LenSize(message.Length)
            + (attempt > 0 ? 1 + ProtobufWire.VarintSize((uint)attempt) : 0);
        var span = _bytes.GetSpan(ProtobufWire.LenSize(received));
        var at = ProtobufWire.WriteLen(span, StreamingPullResponse.ReceivedMessagesFieldNumber, received);
        at += ProtobufWire.WriteLen(span[at..], ReceivedMessage.AckIdFieldNumber, idLength);
        id[..idLength].CopyTo(span[at..]);
        at += idLength;
        at += ProtobufWire.WriteLen(span[at..], ReceivedMessage.MessageFieldNumber, message.Length);
        message.CopyTo(span[at..]);
        at += message.Length;
        if (attempt > 0)
        {
            span[at++] = DeliveryAttemptTag;
            at += ProtobufWire.WriteVarint(span[at..], (uint)attempt);
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
}
