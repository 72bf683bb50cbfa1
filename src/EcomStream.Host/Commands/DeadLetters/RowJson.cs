using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.Hosting;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>
/// A row as a JSON object in one line: what <c>dlq list --format json</c> and <c>dlq export</c> write and
/// <c>dlq import</c> reads. The data is text in <c>data</c>, or, where it is not UTF-8, in <c>data_base64</c>.
/// </summary>
internal static class RowJson
{
    private static readonly JsonWriterOptions _options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(UnmatchedPayment row)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, _options))
        {
            json.WriteStartObject();
            json.WriteString("id", row.Id);
            if (!row.IsMessage)
            {
                json.WriteNumber("order_id", row.OrderId);
                json.WriteString("payment_key", row.PaymentKey);
            }

            json.WriteString("state", row.State.ToText());
            json.WriteString("reason", row.Reason.ToAttribute());
            json.WriteString("detail", row.Detail);
            json.WriteString("published", Timestamps.Rfc3339(row.PublishTimeMicros));
            json.WriteString("since", Timestamps.Rfc3339(row.SinceMicros));
            json.WriteString("changed", Timestamps.Rfc3339(row.ChangedMicros));
            json.WriteNumber("replays", row.Replays);
            json.WriteString("message_id", row.MessageId);
            json.WriteString("subscription", row.Subscription);
            WriteData(json, row.Data.Span);
            json.WriteStartObject("attributes");
            foreach (var (name, value) in MessageAttributes.Of(row.AttributesJson))
            {
                json.WriteString(name, value);
            }

            json.WriteEndObject();
            if (MessageAttributes.OrderingKeyOf(row.AttributesJson) is { Length: > 0 } orderingKey)
            {
                json.WriteString("ordering_key", orderingKey);
            }

            json.WriteStartArray("history");
            foreach (var line in UnmatchedHistory.Lines(row.History))
            {
                json.WriteStringValue(line);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteData(Utf8JsonWriter json, ReadOnlySpan<byte> data)
    {
        if (PayloadText.Of(data) is { } text)
        {
            json.WriteString("data", text);
        }
        else
        {
            json.WriteBase64String("data_base64", data);
        }
    }
}
