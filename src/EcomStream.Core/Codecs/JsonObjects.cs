using System.Text.Encodings.Web;
using System.Text.Json;

namespace EcomStream.Core;

/// <summary>What the two codecs have in common: the frame of an object, and fields that may be left out.</summary>
internal static class JsonObjects
{
    /// <summary>Text is written as it is where JSON allows it: what reads it is a broker's client, not a web page.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// Says why data whose first token is not an object's start is malformed: a whole JSON value of another kind, or
    /// no JSON at all. Always returns false.
    /// </summary>
    public static bool NotAnObject(ref Utf8JsonReader reader, int start, out DecodeError error)
    {
        var at = start + reader.TokenStartIndex;
        reader.Skip();
        while (reader.Read())
        {
        }

        error = new DecodeError(DecodeErrorKind.NotAnObject, at);
        return false;
    }

    /// <summary>Reads past the object's end, so that anything behind it is found, and checks the order id.</summary>
    public static bool IsComplete(ref Utf8JsonReader reader, long? orderId, long orderIdAt, int start, out DecodeError error)
    {
        var end = start + reader.TokenStartIndex;
        reader.Read();
        error = orderId is not null ? default
            : orderIdAt < 0 ? new DecodeError(DecodeErrorKind.MissingOrderId, end)
            : new DecodeError(DecodeErrorKind.UnusableOrderId, orderIdAt);
        return orderId is not null;
    }

    public static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
    }

    public static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }
}
