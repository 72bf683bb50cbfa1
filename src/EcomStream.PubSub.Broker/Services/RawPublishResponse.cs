using System.Buffers.Text;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>A PublishResponse in its wire form: the ids of messages that stand one after the other in the log.</summary>
/// <param name="first">The offset of the first.</param>
/// <param name="count">How many they are.</param>
internal sealed class RawPublishResponse(long first, int count)
{
    /// <summary>Writes it.</summary>
    public ReadOnlyMemory<byte> Serialize()
    {
        var bytes = new byte[count * (2 + TopicLog.LongestMessageId)];
        var at = 0;
        for (var offset = first; offset < first + count; offset++)
        {
            // The digits stand behind a tag and a length of one byte each.
            Utf8Formatter.TryFormat(TopicLog.MessageId(offset), bytes.AsSpan(at + 2), out var digits);
            at += ProtobufWire.WriteLen(bytes.AsSpan(at), PublishResponse.MessageIdsFieldNumber, digits) + digits;
        }

        return bytes.AsMemory(0, at);
    }
}
