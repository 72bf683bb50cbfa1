using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace EcomStream.Core;

/// <summary>Payments as JSON objects in a message's data.</summary>
public static class PaymentCodec
{
    /// <summary>
    /// Reads a payment. Unknown fields are ignored, the last of a repeated field counts, numbers may be strings where
    /// they are exact, and an optional field that is missing or cannot be used is null.
    /// </summary>
    /// <param name="utf8">The message's data.</param>
    /// <param name="payment">The payment, when true is returned.</param>
    /// <param name="error">What is wrong and where, when false is returned.</param>
    public static bool TryDecode(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out Payment? payment, out DecodeError error) =>
        TryDecode(utf8, out payment, out _, out error);

    /// <inheritdoc cref="TryDecode(ReadOnlySpan{byte}, out Payment?, out DecodeError)"/>
    /// <param name="utf8">The message's data.</param>
    /// <param name="payment">The payment, when true is returned.</param>
    /// <param name="unusable">The optional fields whose value cannot be used, and which are therefore null.</param>
    /// <param name="error">What is wrong and where, when false is returned.</param>
    public static bool TryDecode(
        ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out Payment? payment, out PayloadFields unusable, out DecodeError error)
    {
        payment = null;
        unusable = PayloadFields.None;
        var start = JsonFields.ByteOrderMark(utf8);
        var reader = new Utf8JsonReader(utf8[start..], JsonFields.Options);
        long? orderId = null, paymentId = null;
        string? paymentIdText = null, method = null, card = null, status = null, datetime = null;
        long orderIdAt = -1;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return JsonObjects.NotAnObject(ref reader, start, out error);
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("order_id"u8))
                {
                    reader.Read();
                    orderIdAt = start + reader.TokenStartIndex;
                    orderId = JsonFields.Int64(ref reader, PayloadFields.None, ref unusable);
                }
                else if (reader.ValueTextEquals("payment_id"u8))
                {
                    reader.Read();
                    (paymentId, paymentIdText) = JsonFields.Id(ref reader, PayloadFields.PaymentId, ref unusable);
                }
                else if (reader.ValueTextEquals("payment_method"u8))
                {
                    reader.Read();
                    method = JsonFields.OneOfFew(ref reader, PayloadFields.PaymentMethod, ref unusable);
                }
                else if (reader.ValueTextEquals("card_last_four"u8))
                {
                    reader.Read();
                    card = JsonFields.Text(ref reader, PayloadFields.CardLastFour, ref unusable);
                }
                else if (reader.ValueTextEquals("payment_status"u8))
                {
                    reader.Read();
                    status = JsonFields.OneOfFew(ref reader, PayloadFields.PaymentStatus, ref unusable);
                }
                else if (reader.ValueTextEquals("payment_datetime"u8))
                {
                    reader.Read();
                    datetime = JsonFields.Text(ref reader, PayloadFields.PaymentDatetime, ref unusable);
                }
                else
                {
                    reader.Read();
                    reader.Skip();
                }
            }

            if (!JsonObjects.IsComplete(ref reader, orderId, orderIdAt, start, out error))
            {
                return false;
            }
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            error = new DecodeError(DecodeErrorKind.InvalidJson, start + reader.BytesConsumed);
            return false;
        }

        payment = new Payment
        {
            OrderId = orderId!.Value,
            PaymentId = paymentId,
            PaymentIdText = paymentIdText,
            PaymentMethod = method,
            CardLastFour = card,
            PaymentStatus = status,
            PaymentDatetime = datetime,
        };
        return true;
    }

    /// <summary>Writes a payment as the publishers do; null fields are left out.</summary>
    public static void Encode(Payment payment, IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output, JsonObjects.WriterOptions);
        json.WriteStartObject();
        if (payment.PaymentIdText is { } text)
        {
            json.WriteString("payment_id"u8, text);
        }
        else
        {
            JsonObjects.Write(json, "payment_id"u8, payment.PaymentId);
        }

        json.WriteNumber("order_id"u8, payment.OrderId);
        JsonObjects.Write(json, "payment_method"u8, payment.PaymentMethod);
        JsonObjects.Write(json, "card_last_four"u8, payment.CardLastFour);
        JsonObjects.Write(json, "payment_status"u8, payment.PaymentStatus);
        JsonObjects.Write(json, "payment_datetime"u8, payment.PaymentDatetime);
        json.WriteEndObject();
    }
}
