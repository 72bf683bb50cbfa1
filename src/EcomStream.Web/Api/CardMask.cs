using System.Text.RegularExpressions;

namespace EcomStream.Web;

/// <summary>Removes card data from texts that are shown: of a card number the last four digits stay, of a security code nothing.</summary>
internal static partial class CardMask
{
    private const int Shortest = 13;
    private const int Longest = 19;

    /// <summary>The text without card data.</summary>
    public static string Apply(string text) =>
        SecurityCode().Replace(Digits().Replace(text, match => Masked(match.Value)), "$1\"***\"");

    /// <summary>Bytes that are not text, with every digit masked, because a card number in them cannot be told from other numbers.</summary>
    public static byte[] Apply(ReadOnlySpan<byte> data)
    {
        var masked = data.ToArray();
        for (var i = 0; i < masked.Length; i++)
        {
            masked[i] = char.IsAsciiDigit((char)masked[i]) ? (byte)'*' : masked[i];
        }

        return masked;
    }

    /// <summary>At most the last four characters of what a field for the last four digits has.</summary>
    public static string? LastFour(string? digits) => digits is { Length: > 4 } ? digits[^4..] : digits;

    // A card number may stand beside other groups of digits, such as a date or a security code: every run of whole groups is
    // looked at, the longest first. A number within a longer group is part of another number.
    private static string Masked(string text)
    {
        var groups = Group().Matches(text);
        for (var first = 0; first < groups.Count; first++)
        {
            for (var last = groups.Count - 1; last >= first; last--)
            {
                var (start, end) = (groups[first].Index, groups[last].Index + groups[last].Length);
                var digits = text[start..end].Where(char.IsAsciiDigit).ToArray();
                if (digits.Length is >= Shortest and <= Longest && IsCardNumber(Array.ConvertAll(digits, digit => digit - '0')))
                {
                    return text[..start] + "************" + new string(digits[^4..]) + Masked(text[end..]);
                }
            }
        }

        return text;
    }

    // Luhn's check, ISO/IEC 7812-1; the first digit of payment cards is 2 to 6.
    private static bool IsCardNumber(int[] digits)
    {
        if (digits[0] is < 2 or > 6)
        {
            return false;
        }

        var sum = 0;
        for (var i = 0; i < digits.Length; i++)
        {
            var digit = digits[^(i + 1)] * (i % 2 == 0 ? 1 : 2);
            sum += digit > 9 ? digit - 9 : digit;
        }

        return sum % 10 == 0;
    }

    [GeneratedRegex(@"(?<![\d.])\d+(?:[ -]\d+)*(?!\.?\d)")]
    private static partial Regex Digits();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Group();

    [GeneratedRegex("""("(?:cvv|cvc|cvv2|cvc2|security_code|card_security_code|pin)"\s*:\s*)(?:"[^"]*"|\d+)""", RegexOptions.IgnoreCase)]
    private static partial Regex SecurityCode();
}
