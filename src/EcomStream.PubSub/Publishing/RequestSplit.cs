using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Splits the messages of one call at the limits of a request.</summary>
internal static class RequestSplit
{
    // Tag, length and publish overhead of one message in a request, and of one attribute.
    private const int BytesPerMessage = 16;
    private const int BytesPerAttribute = 8;

    /// <summary>
    /// The messages of the next request, in an array of its own, in which tracing gives them other attributes.
    /// </summary>
    /// <param name="messages">All messages.</param>
    /// <param name="first">The index of the first one that is not in a request.</param>
    /// <param name="limits">The limits of a request.</param>
    public static OutgoingMessage[] Next(IReadOnlyList<OutgoingMessage> messages, int first, PublisherSettings limits)
    {
        var bytes = 0L;
        var key = messages[first].OrderingKey;
        var end = first;

        // The messages of one request must have the same key (google.pubsub.v1.PubsubMessage.ordering_key).
        while (end < messages.Count && end - first < limits.BatchMessages && messages[end].OrderingKey == key)
        {
            var size = Size(messages[end]);
            if (bytes > 0 && bytes + size > limits.BatchBytes)
            {
                break;
            }

            bytes += size;
            end++;
        }

        return [.. messages.Take(first..end)];
    }

    /// <summary>About what a message takes in a request, bytes.</summary>
    public static long Size(OutgoingMessage message)
    {
        long size = message.Data.Length + message.OrderingKey.Length + BytesPerMessage;
        foreach (var (key, value) in message.Attributes)
        {
            // At most three bytes of UTF-8 per UTF-16 unit.
            size += ((key.Length + value.Length) * 3L) + BytesPerAttribute;
        }

        return size;
    }
}
