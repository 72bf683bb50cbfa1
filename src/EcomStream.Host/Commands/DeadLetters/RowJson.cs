using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>
/// A row as a JSON object in one line: what <c>dlq list --format json</c> and <c>dlq export</c> write and
/// <c>dlq import</c> reads. The data is text in <c>data</c>, or where it is no UTF-8, in <c>data_base64</c>.
/// </summary>
internal static class RowJson
{
    private static readonly JsonWriterOptions _options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly UTF8Encoding _strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

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

    /// <exception cref="FormatException">The line is no such object; the message says what is wrong.</exception>
    public static UnmatchedPayment Read(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var row = document.RootElement;
            if (!DeadLetterId.TryGetRowKey(Text("id"), out var key))
            {
                throw new FormatException($"'{Text("id")}' is no id of a dead letter");
            }

            return new UnmatchedPayment
            {
                OrderId = key.OrderId,
                PaymentKey = key.PaymentKey,
                Data = row.TryGetProperty("data_base64", out var base64) ? base64.GetBytesFromBase64() : Encoding.UTF8.GetBytes(Text("data")),
                AttributesJson = row.TryGetProperty("attributes", out var attributes)
                    ? MessageAttributes.ToJson(attributes.EnumerateObject().ToDictionary(a => a.Name, a => a.Value.GetString() ?? ""))
                    : MessageAttributes.None,
                PublishTimeMicros = Time("published"),
                MessageId = Text("message_id"),
                Subscription = Text("subscription"),
                Reason = DeadLetterReasons.TryParse(Text("reason"), out var reason) ? reason : throw new FormatException($"'{Text("reason")}' is no reason"),
                State = UnmatchedStates.OfRow(Text("state")),
                SinceMicros = Time("since"),
                ChangedMicros = Time("changed"),
                Detail = Text("detail"),
                Replays = row.GetProperty("replays").GetInt32(),
                History = row.TryGetProperty("history", out var history) ? string.Join('\n', history.EnumerateArray().Select(l => l.GetString())) : "",
            };

            string Text(string name) =>
                row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new FormatException($"the text '{name}' is missing");

            long Time(string name) =>
                Timestamps.TryParse(Text(name), out var micros) ? micros : throw new FormatException($"{name} '{Text(name)}' is no time");
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or KeyNotFoundException or StoreRejectedException)
        {
            throw new FormatException(wrong.Message, wrong);
        }
    }

    /// <summary>The data as text, and null where it is no UTF-8.</summary>
    public static string? TextOf(ReadOnlySpan<byte> data)
    {
        try
        {
            return _strict.GetString(data);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static void WriteData(Utf8JsonWriter json, ReadOnlySpan<byte> data)
    {
        if (TextOf(data) is { } text)
        {
            json.WriteString("data", text);
        }
        else
        {
            json.WriteBase64String("data_base64", data);
        }
    }
}
