using System.Text;
using System.Text.Json;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>Reads what <see cref="RowJson"/> writes, and rejects what it would not write: every mistake of an edited line is an error.</summary>
internal static class RowJsonReader
{
    private static readonly HashSet<string> _known =
    [
        "id", "order_id", "payment_key", "state", "reason", "detail", "published", "since", "changed", "replays", "message_id", "subscription",
        "data", "data_base64", "attributes", "ordering_key", "history",
    ];

    private static readonly JsonDocumentOptions _options = new() { AllowDuplicateProperties = false };

    /// <summary>Reads a line.</summary>
    /// <exception cref="FormatException">The line is not such an object; the message says what is wrong.</exception>
    public static UnmatchedPayment Read(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line, _options);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? Read(document.RootElement)
                : throw new FormatException("must be a JSON object");
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException or StoreRejectedException)
        {
            throw new FormatException(wrong.Message, wrong);
        }
    }

    private static UnmatchedPayment Read(JsonElement row)
    {
        if (row.EnumerateObject().Select(property => property.Name).FirstOrDefault(name => !_known.Contains(name)) is { } unknown)
        {
            throw new FormatException($"unknown key '{unknown}'");
        }

        var id = Text(row, "id");
        if (!DeadLetterId.TryGetRowKey(id, out var key))
        {
            throw new FormatException($"'{id}' is not the id of a dead letter");
        }

        var read = new UnmatchedPayment
        {
            OrderId = key.OrderId,
            PaymentKey = key.PaymentKey,
            Data = Data(row),
            AttributesJson = MessageAttributes.ToJson(Attributes(row), row.TryGetProperty("ordering_key", out _) ? Text(row, "ordering_key") : ""),
            PublishTimeMicros = Time(row, "published"),
            MessageId = Text(row, "message_id"),
            Subscription = Text(row, "subscription"),
            Reason = DeadLetterReasons.TryParse(Text(row, "reason"), out var reason)
                ? reason
                : throw new FormatException($"'{Text(row, "reason")}' is not a reason"),
            State = UnmatchedStates.OfRow(Text(row, "state")),
            SinceMicros = Time(row, "since"),
            ChangedMicros = Time(row, "changed"),
            Detail = Text(row, "detail"),
            Replays = Replays(row),
            History = History(row),
        };
        Check(row, read);
        return read;
    }

    // What contradicts the id or another field.
    private static void Check(JsonElement row, UnmatchedPayment read)
    {
        if (read.IsMessage)
        {
            if (row.TryGetProperty("order_id", out _) || row.TryGetProperty("payment_key", out _))
            {
                throw new FormatException($"order_id and payment_key contradict the id {read.Id}, which is that of a message");
            }
        }
        else if (!row.TryGetProperty("order_id", out var orderId) || orderId.ValueKind != JsonValueKind.Number || !orderId.TryGetInt64(out var order) || order != read.OrderId)
        {
            throw new FormatException($"order_id contradicts the id {read.Id}; to move a payment to another order, change the order_id in its data");
        }
        else if (Text(row, "payment_key") != read.PaymentKey)
        {
            throw new FormatException($"payment_key contradicts the id {read.Id}; to give a payment another id, change the payment_id in its data");
        }

        if (read.ChangedMicros < read.SinceMicros)
        {
            throw new FormatException("changed is before since");
        }

        if (read.Reason == DeadLetterReason.Malformed && !read.IsMessage)
        {
            throw new FormatException($"the reason malformed contradicts the id {read.Id}, which is that of a payment");
        }

        if (!read.IsMessage && read.State is UnmatchedState.Waiting or UnmatchedState.DeadLettered
            && !PaymentCodec.TryDecode(read.Data.Span, out _, out var error))
        {
            throw new FormatException($"the data is not a payment: {error}");
        }
    }

    private static byte[] Data(JsonElement row) => (row.TryGetProperty("data", out _), row.TryGetProperty("data_base64", out var base64)) switch
    {
        (true, true) => throw new FormatException("data and data_base64 contradict each other: give one of them"),
        (true, false) => Encoding.UTF8.GetBytes(Text(row, "data")),
        (false, true) => base64.TryGetBytesFromBase64(out var bytes) ? bytes : throw new FormatException("data_base64 is not Base64"),
        _ => throw new FormatException("the text 'data' is missing"),
    };

    private static Dictionary<string, string> Attributes(JsonElement row)
    {
        var attributes = new Dictionary<string, string>();
        if (!row.TryGetProperty("attributes", out var all))
        {
            return attributes;
        }

        foreach (var attribute in all.EnumerateObject())
        {
            if (attribute.Name.Length == 0 || attribute.Value.ValueKind != JsonValueKind.String)
            {
                throw new FormatException($"the attribute '{attribute.Name}' must have a name and be a text");
            }

            attributes.Add(attribute.Name, attribute.Value.GetString()!);
        }

        return attributes;
    }

    private static int Replays(JsonElement row) =>
        row.TryGetProperty("replays", out var replays) && replays.ValueKind == JsonValueKind.Number && replays.TryGetInt32(out var count) && count >= 0
            ? count
            : throw new FormatException("replays must be a whole number of 0 or more");

    private static string History(JsonElement row)
    {
        if (!row.TryGetProperty("history", out var history))
        {
            return "";
        }

        return string.Join('\n', history.EnumerateArray().Select(line =>
            line.GetString() is { Length: > 0 } text && !text.Contains('\n', StringComparison.Ordinal)
                ? text
                : throw new FormatException("history must be a list of lines")));
    }

    private static string Text(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new FormatException($"the text '{name}' is missing");

    private static long Time(JsonElement row, string name) =>
        Timestamps.TryParse(Text(row, name), out var micros) ? micros : throw new FormatException($"{name} '{Text(row, name)}' is not a time in RFC 3339");
}
