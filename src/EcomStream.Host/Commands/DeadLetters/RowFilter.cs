using System.CommandLine;
using System.CommandLine.Parsing;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>The options that filter the rows of the table.</summary>
internal sealed class RowFilter
{
    private readonly CommandContext _context;
    private readonly Option<DeadLetterReason[]> _reasons = OneOrMore<DeadLetterReason>("--reason", DeadLetterReasons.ToAttribute);
    private readonly Option<UnmatchedState[]> _states = OneOrMore<UnmatchedState>("--state", UnmatchedStates.ToText);
    private readonly Option<long?> _order = new("--order")
    {
        Description = "Only rows of this order",
        HelpName = "order-id",
        CustomParser = result => long.TryParse(result.Tokens[0].Value, out var id) ? id : Wrong<long?>(result, $"--order {result.Tokens[0].Value}: must be an order id."),
    };

    private readonly Option<string?> _olderThan = new("--older-than")
    {
        Description = "Only rows published longer ago than 2h or 1h30m, or before a time such as 2026-11-24T08:00:00Z",
        HelpName = "duration|time",
    };

    private readonly Option<string?> _newerThan = new("--newer-than") { Description = "Only rows published within the last 2h or 1h30m, or after a time such as 2026-11-24T08:00:00Z", HelpName = "duration|time" };

    public RowFilter(CommandContext context) => _context = context;

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Options.Add(_reasons);
        command.Options.Add(_states);
        command.Options.Add(_order);
        command.Options.Add(_olderThan);
        command.Options.Add(_newerThan);
    }

    /// <summary>Whether the user has given any of the options.</summary>
    public bool IsGiven(ParseResult result) =>
        result.GetValue(_reasons) is { Length: > 0 } || result.GetValue(_states) is { Length: > 0 } || result.GetValue(_order) is not null
        || result.GetValue(_olderThan) is not null || result.GetValue(_newerThan) is not null;

    /// <summary>The query that the options make.</summary>
    /// <exception cref="UsageException">A value is wrong.</exception>
    public UnmatchedQuery Read(ParseResult result)
    {
        var now = _context.Time.GetUtcNow();
        return new UnmatchedQuery
        {
            Reasons = result.GetValue(_reasons) ?? [],
            States = result.GetValue(_states) ?? [],
            OrderId = result.GetValue(_order),
            PublishedUntilMicros = Point(_olderThan, "--older-than") ?? long.MaxValue,
            PublishedFromMicros = Point(_newerThan, "--newer-than") ?? long.MinValue,
        };

        long? Point(Option<string?> option, string name) =>
            result.GetValue(option) is { } text ? Durations.ParsePoint(text, name, now) : null;
    }

    private static Option<T[]> OneOrMore<T>(string name, Func<T, string> text)
        where T : struct, Enum
    {
        string[] all = [.. Enum.GetValues<T>().Select(text)];
        var option = new Option<T[]>(name)
        {
            Description = $"Only rows with this {name[2..]}; may be repeated",
            HelpName = string.Join('|', all),
            Arity = ArgumentArity.OneOrMore,
            AllowMultipleArgumentsPerToken = false,
            CustomParser = result =>
            [
                .. result.Tokens.SelectMany(token => token.Value.Split(',')).Select(value =>
                    Enum.GetValues<T>().Cast<T?>().FirstOrDefault(candidate => text(candidate!.Value).Equals(value, StringComparison.OrdinalIgnoreCase))
                    ?? Wrong<T>(result, $"{name} {value}: must be one of {string.Join(", ", all)}.")),
            ],
        };
        option.CompletionSources.Clear();
        option.CompletionSources.Add(all);
        return option;
    }

    private static T? Wrong<T>(ArgumentResult result, string error)
    {
        result.AddError(error);
        return default;
    }
}
