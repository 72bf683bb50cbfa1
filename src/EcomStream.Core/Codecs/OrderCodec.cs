using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace EcomStream.Core;

/// <summary>Orders as JSON objects in a message's data.</summary>
public static class OrderCodec
{
    /// <summary>
    /// Reads an order. Unknown fields are ignored, the last of a repeated field counts, numbers may be strings where
    /// they are exact, and an optional field that is missing or cannot be used is null.
    /// </summary>
    /// <param name="utf8">The message's data.</param>
    /// <param name="order">The order, when true is returned.</param>
    /// <param name="error">What is wrong and where, when false is returned.</param>
    public static bool TryDecode(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out Order? order, out DecodeError error) =>
        TryDecode(utf8, out order, out _, out error);

    /// <inheritdoc cref="TryDecode(ReadOnlySpan{byte}, out Order?, out DecodeError)"/>
    /// <param name="utf8">The message's data.</param>
    /// <param name="order">The order, when true is returned.</param>
    /// <param name="unusable">The optional fields whose value cannot be used, and which are therefore null.</param>
    /// <param name="error">What is wrong and where, when false is returned.</param>
    public static bool TryDecode(
        ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out Order? order, out PayloadFields unusable, out DecodeError error)
    {
        order = null;
        unusable = PayloadFields.None;
        var start = JsonFields.ByteOrderMark(utf8);
        var reader = new Utf8JsonReader(utf8[start..], JsonFields.Options);
        long? orderId = null, customerId = null, quantity = null;
        double? price = null;
        string? item = null, address = null, status = null, date = null;
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
                else if (reader.ValueTextEquals("customer_id"u8))
                {
                    reader.Read();
                    customerId = JsonFields.Int64(ref reader, PayloadFields.CustomerId, ref unusable);
                }
                else if (reader.ValueTextEquals("item"u8))
                {
                    reader.Read();
                    item = JsonFields.OneOfFew(ref reader, PayloadFields.Item, ref unusable);
                }
                else if (reader.ValueTextEquals("quantity"u8))
                {
                    reader.Read();
                    quantity = JsonFields.Int64(ref reader, PayloadFields.Quantity, ref unusable);
                }
                else if (reader.ValueTextEquals("price"u8))
                {
                    reader.Read();
                    price = JsonFields.Double(ref reader, PayloadFields.Price, ref unusable);
                }
                else if (reader.ValueTextEquals("shipping_address"u8))
                {
                    reader.Read();
                    address = JsonFields.Text(ref reader, PayloadFields.ShippingAddress, ref unusable);
                }
                else if (reader.ValueTextEquals("order_status"u8))
                {
                    reader.Read();
                    status = JsonFields.OneOfFew(ref reader, PayloadFields.OrderStatus, ref unusable);
                }
                else if (reader.ValueTextEquals("creation_date"u8))
                {
                    reader.Read();
                    date = JsonFields.OneOfFew(ref reader, PayloadFields.CreationDate, ref unusable);
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

        order = new Order
        {
            OrderId = orderId!.Value,
            CustomerId = customerId,
            Item = item,
            Quantity = quantity,
            Price = price,
            ShippingAddress = address,
            OrderStatus = status,
            CreationDate = date,
        };
        return true;
    }

    /// <summary>Writes an order as the publishers do; null fields are left out.</summary>
    public static void Encode(Order order, IBufferWriter<byte> output)
    {
        using var json = new Utf8JsonWriter(output, JsonObjects.WriterOptions);
        json.WriteStartObject();
        json.WriteNumber("order_id"u8, order.OrderId);
        JsonObjects.Write(json, "customer_id"u8, order.CustomerId);
        JsonObjects.Write(json, "item"u8, order.Item);
        JsonObjects.Write(json, "quantity"u8, order.Quantity);
        if (order.Price is { } price)
        {
            json.WriteNumber("price"u8, price);
        }

        JsonObjects.Write(json, "shipping_address"u8, order.ShippingAddress);
        JsonObjects.Write(json, "order_status"u8, order.OrderStatus);
        JsonObjects.Write(json, "creation_date"u8, order.CreationDate);
        json.WriteEndObject();
    }
}
