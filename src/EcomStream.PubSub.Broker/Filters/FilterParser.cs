using System.Text;

namespace EcomStream.PubSub.Broker.Filters;

/// <summary>
/// Reads a filter (https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax):
/// <c>expression = term { AND term } | term { OR term }</c>, <c>term = [NOT | -] ( "(" expression ")" | condition )</c>.
/// </summary>
internal static class FilterParser
{
    // A filter has at most 256 bytes, but each parenthesis and each NOT is a step of recursion.
    private const int DeepestNesting = 64;

    /// <summary>The condition that a filter states.</summary>
    /// <exception cref="FormatException">The filter is invalid; the message says where and why.</exception>
    public static MessageFilter Parse(string text)
    {
        if (Encoding.UTF8.GetByteCount(text) > MessageFilter.MaxBytes)
        {
            throw new FormatException($"it has more than {MessageFilter.MaxBytes} bytes");
        }

        var tokens = new FilterTokens(text);
        var filter = Expression(tokens, 0);
        return tokens.Kind == FilterTokenKind.End ? filter : throw Unexpected(tokens, "its end");
    }

    private static MessageFilter Expression(FilterTokens tokens, int depth)
    {
        var first = Term(tokens, depth);
        var joint = tokens is { Kind: FilterTokenKind.Word, Value: "AND" or "OR" } ? tokens.Value : null;
        if (joint is null)
        {
            return first;
        }

        var terms = new List<MessageFilter> { first };
        while (tokens.TryTake(joint))
        {
            terms.Add(Term(tokens, depth));
        }

        if (tokens is { Kind: FilterTokenKind.Word, Value: "AND" or "OR" })
        {
            throw new FormatException($"AND and OR are mixed at {tokens.Position}: use parentheses");
        }

        return joint == "AND" ? new MessageFilter.And(terms) : new MessageFilter.Or(terms);
    }

    private static MessageFilter Term(FilterTokens tokens, int depth)
    {
        if (depth > DeepestNesting)
        {
            throw new FormatException($"it is nested more than {DeepestNesting} deep");
        }

        if (tokens.TryTake("NOT") || tokens.TryTake("-"))
        {
            return new MessageFilter.Not(Term(tokens, depth + 1));
        }

        if (tokens.TryTake("("))
        {
            var inner = Expression(tokens, depth + 1);
            Take(tokens, ")");
            return inner;
        }

        return tokens.TryTake("hasPrefix") ? Prefix(tokens) : Attribute(tokens);
    }

    private static MessageFilter.HasPrefix Prefix(FilterTokens tokens)
    {
        Take(tokens, "(");
        Take(tokens, "attributes");
        Take(tokens, ".");
        var key = Key(tokens);
        Take(tokens, ",");
        var prefix = String(tokens);
        Take(tokens, ")");
        return new MessageFilter.HasPrefix(key, prefix);
    }

    private static MessageFilter Attribute(FilterTokens tokens)
    {
        Take(tokens, "attributes");
        if (tokens.TryTake(":"))
        {
            return new MessageFilter.Has(Key(tokens));
        }

        Take(tokens, ".");
        var key = Key(tokens);
        if (tokens.TryTake("!="))
        {
            return new MessageFilter.Not(new MessageFilter.Equal(key, String(tokens)));
        }

        Take(tokens, "=");
        return new MessageFilter.Equal(key, String(tokens));
    }

    private static string Key(FilterTokens tokens)
    {
        if (tokens.Kind is not (FilterTokenKind.Word or FilterTokenKind.String))
        {
            throw Unexpected(tokens, "an attribute's key");
        }

        var key = tokens.Value;
        tokens.Advance();
        return key;
    }

    private static string String(FilterTokens tokens)
    {
        if (tokens.Kind != FilterTokenKind.String)
        {
            throw Unexpected(tokens, "a string in double quotes");
        }

        var value = tokens.Value;
        tokens.Advance();
        return value;
    }

    private static void Take(FilterTokens tokens, string sign)
    {
        if (!tokens.TryTake(sign))
        {
            throw Unexpected(tokens, $"'{sign}'");
        }
    }

    private static FormatException Unexpected(FilterTokens tokens, string expected) => new(
        $"{expected} is expected at {tokens.Position}, not {(tokens.Kind == FilterTokenKind.End ? "its end" : $"'{tokens.Value}'")}");
}
