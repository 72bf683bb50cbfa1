using System.Buffers;
using System.Text;
using EcomStream.Core;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>
/// One PublishRequest, written to its wire form straight from the messages. (The generated classes make a map and three
/// more objects for each message.) It may be sent several times: what the messages' attributes hold is taken once, their
/// data is not copied.
/// </summary>
internal sealed class OutgoingBatch
{
    private static readonly Method<OutgoingBatch, PublishResponse> PublishMethod = new(
        MethodType.Unary,
        "google.pubsub.v1.Publisher",
        "Publish",
        OneWayMarshaller.Writing<OutgoingBatch>(batch => batch.Bytes, (batch, output) => batch.WriteTo(output)),
        OneWayMarshaller.Reading(PublishResponse.Parser.ParseFrom));

    private readonly (int Size, byte[] Attributes)[] _parts;

    /// <param name="topic">The topic's full name.</param>
    /// <param name="messages">The messages; all have the same ordering key.</param>
    public OutgoingBatch(string topic, IReadOnlyList<OutgoingMessage> messages)
    {
        (Topic, Messages) = (topic, messages);
        _parts = new (int, byte[])[messages.Count];
        Bytes = StringSize(topic);
        for (var i = 0; i < messages.Count; i++)
        {
            var attributes = Attributes(messages[i].Attributes);
            _parts[i] = (Size(messages[i]) + attributes.Length, attributes);
            Bytes += ProtobufWire.LenSize(_parts[i].Size);
        }
    }

    /// <summary>The topic's full name.</summary>
    public string Topic { get; }

    /// <summary>The messages.</summary>
    public IReadOnlyList<OutgoingMessage> Messages { get; }

    /// <summary>Bytes of the request.</summary>
    public int Bytes { get; }

    /// <summary>Sends it.</summary>
    public AsyncUnaryCall<PublishResponse> PublishAsync(CallInvoker calls, CallOptions options) =>
        calls.AsyncUnaryCall(PublishMethod, null, options, this);

    /// <summary>Writes the request, <see cref="Bytes"/> bytes.</summary>
    public void WriteTo(IBufferWriter<byte> output)
    {
        var span = output.GetSpan(Bytes);
        var at = WriteString(span, PublishRequest.TopicFieldNumber, Topic);
        for (var i = 0; i < Messages.Count; i++)
        {
            var (size, attributes) = _parts[i];
            at += ProtobufWire.WriteLen(span[at..], PublishRequest.MessagesFieldNumber, size);
            at += Write(span[at..], Messages[i], attributes);
        }

        output.Advance(at);
    }

    // Without its attributes; a field with its default value is left out.
    private static int Size(OutgoingMessage message) =>
        (message.Data.IsEmpty ? 0 : ProtobufWire.LenSize(message.Data.Length))
        + (message.OrderingKey.Length == 0 ? 0 : StringSize(message.OrderingKey));

    private static int Write(Span<byte> target, OutgoingMessage message, ReadOnlySpan<byte> attributes)
    {
        var at = 0;
        if (!message.Data.IsEmpty)
        {
            at += ProtobufWire.WriteLen(target, PubsubMessage.DataFieldNumber, message.Data.Length);
            message.Data.Span.CopyTo(target[at..]);
            at += message.Data.Length;
        }

        attributes.CopyTo(target[at..]);
        at += attributes.Length;
        return message.OrderingKey.Length == 0 ? at : at + WriteString(target[at..], PubsubMessage.OrderingKeyFieldNumber, message.OrderingKey);
    }

    // PubsubMessage.attributes: the entries of a map.
    private static byte[] Attributes(IReadOnlyDictionary<string, string> attributes)
    {
        if (attributes.Count == 0)
        {
            return [];
        }

        var bytes = new ArrayBufferWriter<byte>();
        foreach (var (key, value) in attributes)
        {
            var size = StringSize(key) + StringSize(value);
            var span = bytes.GetSpan(ProtobufWire.LenSize(size));
            var at = ProtobufWire.WriteLen(span, PubsubMessage.AttributesFieldNumber, size);
            at += WriteString(span[at..], ProtobufWire.MapKey, key);
            at += WriteString(span[at..], ProtobufWire.MapValue, value);
            bytes.Advance(at);
        }

        return bytes.WrittenSpan.ToArray();
    }

    private static int StringSize(string text) => ProtobufWire.LenSize(Encoding.UTF8.GetByteCount(text));

    private static int WriteString(Span<byte> target, int field, string text)
    {
        var at = ProtobufWire.WriteLen(target, field, Encoding.UTF8.GetByteCount(text));
        return at + Encoding.UTF8.GetBytes(text, target[at..]);
    }
}
