using System.Buffers.Text;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Publishing;

/// <summary>A PublishResponse in its wire form: the ids of messages that stand one after the other in the log.</summary>
internal sealed class RawPublishResponse
{
    private readonly byte[] _bytes;
    private readonly int _length;

    /// <param name="first">The id of the first.</param>
    /// <param name="count">How many they are.</param>
    public RawPublishResponse(long first, int count)
    {
        _bytes = new byte[count * (2 + MessageStamp.LongestMessageId)];
        for (var id = first; id < first + count; id++)
        {
            // The digits stand behind a tag and a length of one byte each.
            Utf8Formatter.TryFormat(id, _bytes.AsSpan(_length + 2), out var digits);
            _length += ProtobufWire.WriteLen(_bytes.AsSpan(_length), PublishResponse.MessageIdsFieldNumber, digits) + digits;
        }
    }

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);
}
