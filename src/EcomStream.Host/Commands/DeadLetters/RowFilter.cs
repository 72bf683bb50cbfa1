using System.CommandLine;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>The options that say which rows of the table a command is about.</summary>
internal sealed class RowFilter
{
    private static readonly string _reasons = string.Join(", ", Enum.GetValues<DeadLetterReason>().Select(r => r.ToAttribute()));
    private static readonly string _states = string.Join(", ", Enum.GetValues<UnmatchedState>().Select(s => s.ToText()));

    private readonly Option<string?> _reason = new("--reason") { Description = $"Only these: {_reasons}" };
    private readonly Option<string?> _state = new("--state") { Description = $"Only these: {_states}" };
    private readonly Option<long?> _order = new("--order") { Description = "Only those of this order" };
    private readonly Option<string?> _olderThan = new("--older-than") { Description = "Only those published longer ago, such as 2h" };
    private readonly Option<string?> _newerThan = new("--newer-than") { Description = "Only those published since then, such as 30m" };

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="withState">Whether the state is the user's choice, and not the command's.</param>
    public void AddTo(Command command, bool withState)
    {
        command.Options.Add(_reason);
        if (withState)
        {
            command.Options.Add(_state);
        }

        command.Options.Add(_order);
        command.Options.Add(_olderThan);
        command.Options.Add(_newerThan);
    }

    /// <summary>Whether the user has narrowed the rows down at all.</summary>
    public bool IsGiven(ParseResult result) =>
        result.GetValue(_reason) is not null || result.GetValue(_order) is not null
        || result.GetValue(_olderThan) is not null || result.GetValue(_newerThan) is not null;

    /// <exception cref="UsageException">A value is wrong.</exception>
    public UnmatchedQuery Read(ParseResult result, UnmatchedState? state = null)
    {
        var now = TimeProvider.System.GetUtcNow();
        return new UnmatchedQuery
        {
            Reason = OneOf(result.GetValue(_reason), "--reason", Enum.GetValues<DeadLetterReason>(), DeadLetterReasons.ToAttribute, _reasons),
            State = state ?? OneOf(result.GetValue(_state), "--state", Enum.GetValues<UnmatchedState>(), UnmatchedStates.ToText, _states),
            OrderId = result.GetValue(_order),
            PublishedUntilMicros = Before(_olderThan, "--older-than") ?? long.MaxValue,
            PublishedFromMicros = Before(_newerThan, "--newer-than") ?? long.MinValue,
        };

        long? Before(Option<string?> option, string name) => result.GetValue(option) is { } text
            ? Timestamps.Micros(now - Times.Parse(text, name))
            : null;
    }

    private static T? OneOf<T>(string? text, string option, T[] values, Func<T, string> name, string all)
        where T : struct
    {
        if (text is null)
        {
            return null;
        }

        var found = values.Where(value => name(value).Equals(text, StringComparison.OrdinalIgnoreCase)).ToList();
        return found.Count == 1 ? found[0] : throw new UsageException($"{option} {text}: it must be one of {all}.");
    }
}
