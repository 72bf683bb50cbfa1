using System.Globalization;
using System.Text;

namespace EcomStream.PubSub.Broker.Filters;

/// <summary>The words, string literals and signs of a filter, one after the other.</summary>
internal sealed class FilterTokens
{
    private readonly string _text;
    private int _at;

    public FilterTokens(string text)
    {
        _text = text;
        Advance();
    }

    /// <summary>Word, string or sign; <see cref="FilterTokenKind.End"/> behind the last one.</summary>
    public FilterTokenKind Kind { get; private set; }

    /// <summary>The word or sign as written; the value of a string.</summary>
    public string Value { get; private set; } = "";

    /// <summary>Where it begins, characters from 0.</summary>
    public int Position { get; private set; }

    /// <summary>Steps over a sign or an operator, if it is the next.</summary>
    public bool TryTake(string sign)
    {
        if (Kind is FilterTokenKind.String or FilterTokenKind.End || Value != sign)
        {
            return false;
        }

        Advance();
        return true;
    }

    public void Advance()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
        {
            _at++;
        }

        Position = _at;
        if (_at == _text.Length)
        {
            (Kind, Value) = (FilterTokenKind.End, "");
        }
        else if (_text[_at] == '"')
        {
            (Kind, Value) = (FilterTokenKind.String, Literal());
        }
        else if (IsWordPart(_text[_at]) && _text[_at] != '-')
        {
            while (_at < _text.Length && IsWordPart(_text[_at]))
            {
                _at++;
            }

            (Kind, Value) = (FilterTokenKind.Word, _text[Position.._at]);
        }
        else
        {
            _at += _text[_at] == '!' && _at + 1 < _text.Length && _text[_at + 1] == '=' ? 2 : 1;
            (Kind, Value) = (FilterTokenKind.Sign, _text[Position.._at]);
        }
    }

    // A key without quotes is made of letters, digits, hyphens and underscores.
    private static bool IsWordPart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-';

    private string Literal()
    {
        var value = new StringBuilder();
        for (_at++; _at < _text.Length; _at++)
        {
            var c = _text[_at];
            if (c == '"')
            {
                _at++;
                return value.ToString();
            }

            if (c != '\\')
            {
                value.Append(c);
                continue;
            }

            _at++;
            Escape(value);
        }

        throw new FormatException($"the string that begins at {Position} has no end");
    }

    // Unicode, hexadecimal and octal sequences, and the usual single letters.
    private void Escape(StringBuilder value)
    {
        var c = _at < _text.Length ? _text[_at] : '\0';
        switch (c)
        {
            case 'n': value.Append('\n'); break;
            case 't': value.Append('\t'); break;
            case 'r': value.Append('\r'); break;
            case 'a': value.Append('\a'); break;
            case 'b': value.Append('\b'); break;
            case 'f': value.Append('\f'); break;
            case 'v': value.Append('\v'); break;
            case '\\' or '"' or '\'' or '`' or '?': value.Append(c); break;
            case 'x': value.Append((char)Digits(_at + 1, 2, NumberStyles.AllowHexSpecifier)); break;
            case 'u': value.Append((char)Digits(_at + 1, 4, NumberStyles.AllowHexSpecifier)); break;
            case >= '0' and <= '3': value.Append((char)Octal()); break;
            default: throw new FormatException($"the escape sequence at {_at - 1} is not known");
        }
    }

    private int Digits(int from, int count, NumberStyles style)
    {
        if (from + count > _text.Length || !int.TryParse(_text.AsSpan(from, count), style, CultureInfo.InvariantCulture, out var number))
        {
            throw new FormatException($"the escape sequence at {_at - 1} needs {count} digits");
        }

        _at = from + count - 1;
        return number;
    }

    private int Octal()
    {
        var digits = _at + 3 <= _text.Length ? _text.AsSpan(_at, 3) : [];
        if (digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '7'))
        {
            throw new FormatException($"the escape sequence at {_at - 1} needs 3 digits");
        }

        _at += 2;
        return ((digits[0] - '0') * 64) + ((digits[1] - '0') * 8) + (digits[2] - '0');
    }
}

/// <summary>What a token of a filter is.</summary>
internal enum FilterTokenKind
{
    Word,
    String,
    Sign,
    End,
}
