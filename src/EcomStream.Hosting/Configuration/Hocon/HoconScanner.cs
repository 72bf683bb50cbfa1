using System.Globalization;
using System.Text;
using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>
/// The characters of a HOCON text: blanks, comments, quoted and unquoted strings, as
/// https://github.com/lightbend/config/blob/main/HOCON.md defines them.
/// </summary>
internal sealed class HoconScanner(string source, string text)
{
    private const string NotUnquoted = "$\"{}[]:=,+#`^?!@*&\\";
    private const string TripleQuote = "\"\"\"";

    private int _at;
    private int _line = 1;

    public bool IsAtEnd => _at >= text.Length;

    public char Peek => IsAtEnd ? '\0' : text[_at];

    public ConfigOrigin Origin => new(source, _line);

    public ConfigurationException Error(string message) => Origin.Error(message);

    /// <summary>Whether a text comes next; it is not read.</summary>
    public bool IsNext(string wanted) => text.AsSpan(_at).StartsWith(wanted, StringComparison.Ordinal);

    /// <summary>Reads a text if it comes next.</summary>
    public bool Take(string wanted)
    {
        if (!IsNext(wanted))
        {
            return false;
        }

        _at += wanted.Length;
        return true;
    }

    /// <summary>Reads blanks on the line.</summary>
    public string TakeBlanks()
    {
        var start = _at;
        while (!IsAtEnd && Peek != '\n' && IsBlank(Peek))
        {
            _at++;
        }

        return text[start.._at];
    }

    /// <summary>Skips blanks, comments and, where they are wanted, line ends.</summary>
    /// <returns>Whether a line end was skipped.</returns>
    public bool SkipBlanks(bool overLines)
    {
        var skippedLine = false;
        while (true)
        {
            TakeBlanks();
            if (IsAtComment)
            {
                var end = text.IndexOf('\n', _at);
                _at = end < 0 ? text.Length : end;
            }

            if (Peek != '\n' || IsAtEnd || !overLines)
            {
                return skippedLine;
            }

            _at++;
            _line++;
            skippedLine = true;
        }
    }

    public bool IsAtComment => Peek == '#' || IsNext("//");

    /// <summary>Whether an unquoted string comes next.</summary>
    public bool IsAtUnquoted => !IsAtEnd && !IsBlank(Peek) && NotUnquoted.IndexOf(Peek, StringComparison.Ordinal) < 0 && !IsNext("//");

    /// <summary>Reads an unquoted string; for a key, up to its dot.</summary>
    public string TakeUnquoted(bool isKey)
    {
        var start = _at;
        while (IsAtUnquoted && !(isKey && Peek == '.'))
        {
            _at++;
        }

        return text[start.._at];
    }

    /// <summary>Reads a string in quotes, or in three of them over several lines.</summary>
    public string TakeQuoted()
    {
        if (Take(TripleQuote))
        {
            return TakeTripleQuoted();
        }

        var opened = Error("the quote is not closed");
        _at++;
        var result = new StringBuilder();
        while (Peek != '"')
        {
            if (IsAtEnd || Peek == '\n')
            {
                throw opened;
            }

            result.Append(Peek == '\\' ? TakeEscape() : text[_at++]);
        }

        _at++;
        return result.ToString();
    }

    private static bool IsBlank(char c) => char.IsWhiteSpace(c) || c is '\ufeff' or '\u001c' or '\u001d' or '\u001e' or '\u001f';

    private string TakeTripleQuoted()
    {
        var end = text.IndexOf(TripleQuote, _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("the three quotes are not closed");
        }

        // Quotes directly before the last three belong to the text.
        while (end + TripleQuote.Length < text.Length && text[end + TripleQuote.Length] == '"')
        {
            end++;
        }

        var result = text[_at..end];
        _line += result.Count(c => c == '\n');
        _at = end + TripleQuote.Length;
        return result;
    }

    private char TakeEscape()
    {
        var escape = _at + 1 < text.Length ? text[_at + 1] : '\0';
        _at += 2;
        switch (escape)
        {
            case '"' or '\\' or '/':
                return escape;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u' when _at + 4 <= text.Length && ushort.TryParse(text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code):
                _at += 4;
                return (char)code;
            default:
                throw Error($"'\\{escape}' is not an escape sequence");
        }
    }
}
