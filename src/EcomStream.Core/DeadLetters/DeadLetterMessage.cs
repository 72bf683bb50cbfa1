using System.Globalization;
using System.Text;

namespace EcomStream.Core;

public static partial class DeadLetter
{
    // https://cloud.google.com/pubsub/quotas#resource_limits
    private const int MostBytes = 10_000_000;
    private const int MostAttributes = 100;
    private const int LongestKeyBytes = 256;
    private const int LongestValueBytes = 1_024;
    private const int LongestDetail = 256;

    // Kept free for the attribute "trimmed" and for the encoding of the message.
    private const int ReservedBytes = 4_096;
    private const int BytesPerAttribute = 8;

    /// <summary>
    /// Builds the message for a dead-letter topic: data, attributes and ordering key as they were sent, and EcomStream's
    /// own attributes, which replace publisher's attributes of the same name. What would exceed the limits of Cloud
    /// Pub/Sub (10 MB, 100 attributes, 256-byte keys, 1,024-byte values) is left out or cut and named in the attribute
    /// <see cref="Trimmed"/>; the unmatched row keeps it.
    /// </summary>
    /// <param name="delivery">The message that failed.</param>
    /// <param name="reason">Why.</param>
    /// <param name="detail">An explanation for people; its first 256 characters are kept.</param>
    /// <param name="id">The dead letter's id.</param>
    /// <param name="now">When it was dead-lettered.</param>
    /// <param name="orderId">The order, where one could be read.</param>
    /// <param name="paymentId">The payment's id as sent, where one could be read.</param>
    /// <param name="replays">How often it was replayed.</param>
    /// <param name="isRebuilt">Whether the data was rebuilt from the facts table.</param>
    public static OutgoingMessage ToMessage(
        Delivery delivery,
        DeadLetterReason reason,
        string detail,
        string id,
        DateTimeOffset now,
        long? orderId,
        string? paymentId,
        int replays,
        bool isRebuilt = false)
    {
        var attributes = new Dictionary<string, string>(12 + delivery.Attributes.Count);
        Add(Reason, reason.ToAttribute());
        Add(Detail, Cut(detail));
        Add(SourceSubscription, delivery.Subscription);
        Add(SourceMessageId, delivery.MessageId);
        Add(SourcePublishTime, Timestamps.Rfc3339(delivery.PublishTimeMicros));
        Add(DeadLetteredAt, Timestamps.Rfc3339(Timestamps.Micros(now)));
        Add(Replays, replays.ToString(CultureInfo.InvariantCulture));
        Add(Id, id);
        Add(OrderId, orderId?.ToString(CultureInfo.InvariantCulture));
        Add(PaymentId, paymentId);
        Add(Rebuilt, isRebuilt ? "true" : null);

        var trimmed = new List<string>();
        var bytes = attributes.Sum(SizeOf) + Encoding.UTF8.GetByteCount(delivery.OrderingKey) + ReservedBytes;
        var data = delivery.Data;
        if (bytes + data.Length > MostBytes)
        {
            trimmed.Add("data");
            data = default;
        }

        bytes += data.Length;
        foreach (var (name, value) in delivery.Attributes.OrderBy(a => a.Key, StringComparer.Ordinal))
        {
            if (IsOwn(name))
            {
                continue;
            }

            // Names that begin with "goog" are reserved; the official clients' trace context is the exception.
            var isReserved = name.StartsWith("goog", StringComparison.Ordinal) && name is not (TraceParent or TraceState);
            var kept = CutUtf8(value, LongestValueBytes);
            var size = SizeOf(new(name, kept));
            if (isReserved || name.Length == 0 || Encoding.UTF8.GetByteCount(name) > LongestKeyBytes
                || attributes.Count >= MostAttributes - 1 || bytes + size > MostBytes)
            {
                trimmed.Add($"attribute {name}");
                continue;
            }

            if (kept.Length < value.Length)
            {
                trimmed.Add($"value of {name}");
            }

            attributes.Add(name, kept);
            bytes += size;
        }

        if (trimmed.Count > 0)
        {
            attributes[Trimmed] = CutUtf8(string.Join(", ", trimmed), LongestValueBytes);
        }

        return new OutgoingMessage(data, attributes, delivery.OrderingKey);

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                attributes[name] = CutUtf8(value, LongestValueBytes);
            }
        }
    }

    private static int SizeOf(KeyValuePair<string, string> attribute) =>
        Encoding.UTF8.GetByteCount(attribute.Key) + Encoding.UTF8.GetByteCount(attribute.Value) + BytesPerAttribute;

    // Half a surrogate pair could not be sent.
    private static string Cut(string text) =>
        text.Length <= LongestDetail ? text : text[..(char.IsHighSurrogate(text[LongestDetail - 1]) ? LongestDetail - 1 : LongestDetail)];

    private static string CutUtf8(string text, int mostBytes)
    {
        if (text.Length * 3 <= mostBytes || Encoding.UTF8.GetByteCount(text) <= mostBytes)
        {
            return text;
        }

        var bytes = 0;
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > mostBytes)
            {
                break;
            }

            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }
}
