namespace EcomStream.Hosting;

/// <summary>
/// Finds brackets that do not match before the parser sees them: it takes an object that is never closed for a whole
/// one, and does not return from an array that is closed by a brace.
/// </summary>
internal static class HoconBrackets
{
    /// <summary>What is wrong, with its line; null when every bracket has its partner.</summary>
    public static string? Check(string text)
    {
        var open = new Stack<(char Bracket, int Line)>();
        var line = 1;
        for (var i = 0; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '\n':
                    line++;
                    break;
                case '#':
                case '/' when i + 1 < text.Length && text[i + 1] == '/':
                    i = EndOfLine(text, i) - 1;
                    break;
                case '"':
                    var quoted = EndOfQuote(text, i);
                    if (quoted < 0)
                    {
                        return $"the quote that opens in line {line} is not closed";
                    }

                    line += text.AsSpan(i, quoted - i).Count('\n');
                    i = quoted;
                    break;
                case '{' or '[':
                    open.Push((text[i], line));
                    break;
                case '}' or ']':
                    if (!open.TryPop(out var partner) || (partner.Bracket == '{') != (text[i] == '}'))
                    {
                        return partner.Line == 0
                            ? $"'{text[i]}' in line {line} closes nothing"
                            : $"'{text[i]}' in line {line} does not close the '{partner.Bracket}' of line {partner.Line}";
                    }

                    break;
            }
        }

        return open.TryPeek(out var last) ? $"the '{last.Bracket}' of line {last.Line} is not closed" : null;
    }

    private static int EndOfLine(string text, int from)
    {
        var end = text.IndexOf('\n', from);
        return end < 0 ? text.Length : end;
    }

    // The index of the closing quote; -1 without one. A text in three quotes may go over lines.
    private static int EndOfQuote(string text, int from)
    {
        if (text.AsSpan(from).StartsWith("\"\"\""))
        {
            var end = text.IndexOf("\"\"\"", from + 3, StringComparison.Ordinal);
            while (end >= 0 && end + 3 < text.Length && text[end + 3] == '"')
            {
                // Quotes directly before the last three belong to the text.
                end++;
            }

            return end < 0 ? -1 : end + 2;
        }

        for (var i = from + 1; i < text.Length && text[i] != '\n'; i++)
        {
            if (text[i] == '\\')
            {
                i++;
            }
            else if (text[i] == '"')
            {
                return i;
            }
        }

        return -1;
    }
}
