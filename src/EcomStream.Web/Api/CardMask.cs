using System.Text.RegularExpressions;

namespace EcomStream.Web;

/// <summary>Removes card data from texts that are shown: of a card number the last four digits stay, of a security code nothing.</summary>
internal static partial class CardMask
{
    /// <summary>The text without card data.</summary>
    public static string Apply(string text) =>
        SecurityCode().Replace(CardNumber().Replace(text, match => IsCardNumber(match.Value) ? Masked(match.Value) : match.Value), "$1\"***\"");

    /// <summary>At most the last four characters of what a field for the last four digits has.</summary>
    public static string? LastFour(string? digits) => digits is { Length: > 4 } ? digits[^4..] : digits;

    private static string Masked(string number) => "************" + new string([.. number.Where(char.IsAsciiDigit)])[^4..];

    // Luhn's check, ISO/IEC 7812-1; the first digit of payment cards is 2 to 6.
    private static bool IsCardNumber(string text)
    {
        var digits = text.Where(char.IsAsciiDigit).Select(c => c - '0').ToArray();
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

    [GeneratedRegex(@"(?<![\d.])\d(?:[ -]?\d){12,18}(?!\.?\d)")]
    private static partial Regex CardNumber();

    [GeneratedRegex("""("(?:cvv|cvc|cvv2|cvc2|security_code|card_security_code|pin)"\s*:\s*)(?:"[^"]*"|\d+)""", RegexOptions.IgnoreCase)]
    private static partial Regex SecurityCode();
}
