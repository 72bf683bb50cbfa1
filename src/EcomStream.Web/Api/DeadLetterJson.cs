using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.Hosting;

namespace EcomStream.Web;

/// <summary>Dead letters and waiting payments as JSON. Card data is masked.</summary>
internal static class DeadLetterJson
{
    private static readonly JsonSerializerOptions _readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One row of a list.</summary>
    public static object Summary(UnmatchedPayment row) => new
    {
        id = row.Id,
        order = row.IsMessage ? null : row.OrderId.ToString(CultureInfo.InvariantCulture),
        state = row.State.ToText(),
        reason = row.Reason.ToAttribute(),
        detail = CardMask.Apply(row.Detail),
        published = Answers.Time(row.PublishTimeMicros),
        since = Answers.Time(row.SinceMicros),
        changed = Answers.Time(row.ChangedMicros),
        replays = row.Replays,
    };

    /// <summary>Everything about one row.</summary>
    public static object Detail(UnmatchedPayment row) => new
    {
        summary = Summary(row),
        message = row.MessageId,
        subscription = row.Subscription,
        payload = Payload(row.Data.Span),
        bytes = row.Data.Length,
        attributes = MessageAttributes.Of(row.AttributesJson).ToDictionary(pair => pair.Key, pair => CardMask.Apply(pair.Value)),
        history = UnmatchedHistory.Lines(row.History).Select(CardMask.Apply),
    };

    /// <summary>
    /// A row for reading, one line: the fields of <c>ecomstream dlq export</c> without card data. <c>dlq import</c> does not
    /// accept it, because what is masked would replace the message.
    /// </summary>
    public static string Line(UnmatchedPayment row)
    {
        var fields = new Dictionary<string, object?> { ["id"] = row.Id, ["masked"] = true };
        if (!row.IsMessage)
        {
            fields["order_id"] = row.OrderId;
            fields["payment_key"] = row.PaymentKey;
        }

        fields["state"] = row.State.ToText();
        fields["reason"] = row.Reason.ToAttribute();
        fields["detail"] = CardMask.Apply(row.Detail);
        fields["published"] = Answers.Time(row.PublishTimeMicros);
        fields["since"] = Answers.Time(row.SinceMicros);
        fields["changed"] = Answers.Time(row.ChangedMicros);
        fields["replays"] = row.Replays;
        fields["message_id"] = row.MessageId;
        fields["subscription"] = row.Subscription;
        if (PayloadText.Of(row.Data.Span) is { } text)
        {
            fields["data"] = CardMask.Apply(text);
        }
        else
        {
            fields["data_base64"] = CardMask.Apply(row.Data.Span);
        }

        fields["attributes"] = MessageAttributes.Of(row.AttributesJson).ToDictionary(pair => pair.Key, pair => CardMask.Apply(pair.Value));
        fields["history"] = UnmatchedHistory.Lines(row.History).Select(CardMask.Apply);
        return JsonSerializer.Serialize(fields);
    }

    private static string Payload(ReadOnlySpan<byte> data)
    {
        if (PayloadText.Of(data) is not { } text)
        {
            return $"(not UTF-8, {data.Length} bytes)\n{Convert.ToHexString(CardMask.Apply(data[..Math.Min(data.Length, 512)]))}";
        }

        try
        {
            using var json = JsonDocument.Parse(text);
            return CardMask.Apply(JsonSerializer.Serialize(json.RootElement, _readable));
        }
        catch (JsonException)
        {
            return CardMask.Apply(text);
        }
    }
}
