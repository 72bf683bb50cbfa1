using System.Globalization;
using System.Text;

namespace EcomStream.Host.Cli;

/// <summary>Text from messages, made harmless for a terminal.</summary>
internal static class Printable
{
    /// <summary>
    /// Writes control and format characters (ESC, CR, bidirectional overrides, line separators, lone surrogates) as \uXXXX,
    /// so that a payload can neither move the cursor nor reorder the text.
    /// </summary>
    /// <param name="text">Any text.</param>
    /// <param name="keepLines">Whether line feeds are kept.</param>
    public static string Escape(string text, bool keepLines = false)
    {
        if (!text.Any(IsUnsafe))
        {
            return text;
        }

        var safe = new StringBuilder(text.Length + 16);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                var isUnsafe = IsUnsafe(CharUnicodeInfo.GetUnicodeCategory(text, i));
                _ = isUnsafe ? safe.Append($"\\u{(int)text[i]:x4}\\u{(int)text[i + 1]:x4}") : safe.Append(text, i, 2);
                i++;
            }
            else if (text[i] == '\n' && keepLines)
            {
                safe.Append('\n');
            }
            else
            {
                _ = IsUnsafe(text[i]) ? safe.Append($"\\u{(int)text[i]:x4}") : safe.Append(text[i]);
            }
        }

        return safe.ToString();
    }

    private static bool IsUnsafe(char c) => IsUnsafe(char.GetUnicodeCategory(c));

    private static bool IsUnsafe(UnicodeCategory category) => category
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
