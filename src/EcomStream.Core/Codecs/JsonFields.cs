using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace EcomStream.Core;

/// <summary>
/// Reads single values the way the shop's publishers need: numbers may come as strings where they are exact, text may
/// come as a number or a truth value, and what cannot be used for an optional field is null.
/// </summary>
internal static class JsonFields
{
    private static readonly InternedTexts Interned = new();

    public static readonly JsonReaderOptions Options = new()
    {
        CommentHandling = JsonCommentHandling.Disallow,
        AllowTrailingCommas = false,
        MaxDepth = 64,
    };

    /// <summary>Skips the byte order mark that some Windows producers put before their text.</summary>
    public static int ByteOrderMark(ReadOnlySpan<byte> data) => data.StartsWith("\uFEFF"u8) ? 3 : 0;

    /// <summary>The value of the property at which the reader stands, as an exact 64-bit integer, or null.</summary>
    /// <param name="reader">Stands on the value.</param>
    /// <param name="field">The field that is read.</param>
    /// <param name="unusable">Gets <paramref name="field"/> added when there is a value other than null that cannot be used.</param>
    public static long? Int64(ref Utf8JsonReader reader, PayloadFields field, ref PayloadFields unusable)
    {
        long? value = null;
        switch (reader.TokenType)
        {
            case JsonTokenType.Number:
                value = reader.TryGetInt64(out var number) ? number : ExactInt64(reader.ValueSpan);
                break;
            case JsonTokenType.String:
                // A number needs no escapes, so the raw bytes are the text.
                value = reader.ValueIsEscaped ? null : ExactInt64(Trim(reader.ValueSpan));
                break;
            case JsonTokenType.Null:
                return null;
            default:
                reader.Skip();
                break;
        }

        if (value is null)
        {
            unusable |= field;
        }

        return value;
    }

    /// <summary>The value as a finite double, or null; see <see cref="Int64"/>.</summary>
    public static double? Double(ref Utf8JsonReader reader, PayloadFields field, ref PayloadFields unusable)
    {
        double? value = null;
        switch (reader.TokenType)
        {
            case JsonTokenType.Number:
                value = Finite(reader.GetDouble());
                break;
            case JsonTokenType.String when !reader.ValueIsEscaped
                && Trim(reader.ValueSpan) is var text
                && Utf8Parser.TryParse(text, out double parsed, out var used)
                && used == text.Length:
                value = Finite(parsed);
                break;
            case JsonTokenType.Null:
                return null;
            default:
                reader.Skip();
                break;
        }

        if (value is null)
        {
            unusable |= field;
        }

        return value;
    }

    /// <summary>The value as text, or null; see <see cref="Int64"/>.</summary>
    /// <exception cref="InvalidOperationException">The bytes are not UTF-8, or an escape is half a surrogate pair.</exception>
    public static string? Text(ref Utf8JsonReader reader, PayloadFields field, ref PayloadFields unusable)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.String:
                return reader.GetString();
            case JsonTokenType.Number:
                return Encoding.UTF8.GetString(reader.ValueSpan);
            case JsonTokenType.True:
                return "true";
            case JsonTokenType.False:
                return "false";
            case JsonTokenType.Null:
                return null;
            default:
                reader.Skip();
                unusable |= field;
                return null;
        }
    }

    /// <summary>Like <see cref="Text"/>, for fields that hold one of a few values: equal texts are one object.</summary>
    public static string? OneOfFew(ref Utf8JsonReader reader, PayloadFields field, ref PayloadFields unusable) =>
        reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped
            ? Interned.Get(reader.ValueSpan) ?? reader.GetString()
            : Text(ref reader, field, ref unusable);

    /// <summary>
    /// A payment id: the exact 64-bit integer where the value is one, otherwise its text. Neither when the value is
    /// null, an empty string, an object or an array.
    /// </summary>
    public static (long? Number, string? Text) Id(ref Utf8JsonReader reader, PayloadFields field, ref PayloadFields unusable)
    {
        if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
        {
            reader.Skip();
            unusable |= field;
            return default;
        }

        return Int64(ref reader, field, ref unusable) is { } number ? (number, null)
            : Text(ref reader, field, ref unusable) is { Length: > 0 } text ? (null, text)
            : default;
    }

    // Python's int() and float() accept blanks around a number, and some publishers send them.
    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text) => text.Trim(" \t\r\n"u8);

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    // "12", "12.0" and "1.2e1" are all exactly 12; "12.5" and "12 apples" are no integer, and nothing is rounded.
    private static long? ExactInt64(ReadOnlySpan<byte> text)
    {
        if (Utf8Parser.TryParse(text, out long value, out var used) && used == text.Length)
        {
            return value;
        }

        if (text.Length is 0 or > 64 || !(char.IsAsciiDigit((char)text[0]) || text[0] == '-'))
        {
            return null;
        }

        var isNegative = text[0] == '-';
        var mantissa = text[(isNegative ? 1 : 0)..];
        var scale = 0;
        if (mantissa.IndexOfAny((byte)'e', (byte)'E') is >= 0 and var e)
        {
            var exponent = mantissa[(e + 1)..];
            if (!Utf8Parser.TryParse(exponent, out short power, out used) || used != exponent.Length)
            {
                return null;
            }

            mantissa = mantissa[..e];
            scale = power;
        }

        Span<byte> digits = stackalloc byte[mantissa.Length];
        if (mantissa.IndexOf((byte)'.') is >= 0 and var point)
        {
            mantissa[..point].CopyTo(digits);
            mantissa[(point + 1)..].CopyTo(digits[point..]);
            digits = digits[..^1];
            scale -= mantissa.Length - point - 1;
        }
        else
        {
            mantissa.CopyTo(digits);
        }

        if (digits.IsEmpty || digits.ContainsAnyExceptInRange((byte)'0', (byte)'9'))
        {
            return null;
        }

        // The value is the digits times ten to the scale; without zeros around them it has at most 19 places.
        var significant = digits.TrimEnd((byte)'0');
        scale += digits.Length - significant.Length;
        significant = significant.TrimStart((byte)'0');
        if (significant.IsEmpty)
        {
            return 0;
        }

        if (scale < 0 || significant.Length + scale > 19)
        {
            return null;
        }

        Int128 exact = 0;
        for (var i = 0; i < significant.Length + scale; i++)
        {
            exact = (exact * 10) + (i < significant.Length ? significant[i] - '0' : 0);
        }

        exact = isNegative ? -exact : exact;
        return exact >= long.MinValue && exact <= long.MaxValue ? (long)exact : null;
    }
}
