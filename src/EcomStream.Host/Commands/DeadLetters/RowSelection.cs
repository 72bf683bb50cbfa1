using System.CommandLine;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>The rows that a command changes: those whose ids are given, those that pass the filters, or both together.</summary>
internal sealed class RowSelection(CommandContext context, IReadOnlyList<UnmatchedState> allowed)
{
    private readonly Argument<string[]> _ids = new("id")
    {
        Description = "Ids of rows, as dlq list shows them, such as 17-1017",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly RowFilter _filter = new(context);
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Change nothing and print how many rows there are" };

    public void AddTo(Command command)
    {
        command.Arguments.Add(_ids);
        _filter.AddTo(command);
        command.Options.Add(_dryRun);
    }

    public bool IsDryRun(ParseResult result) => result.GetValue(_dryRun);

    /// <summary>
    /// Streams the rows: with ids those, in the order in which they were given, as far as they pass the filters; without ids
    /// all that pass the filters, oldest first. Without --state, filters select what is dead-lettered.
    /// </summary>
    /// <param name="store">The store.</param>
    /// <param name="result">The command line.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="UsageException">Neither ids nor filters are given, or a state is not allowed.</exception>
    /// <exception cref="NotFoundException">An id has no row.</exception>
    public IAsyncEnumerable<UnmatchedPayment> ReadAsync(IFactStore store, ParseResult result, CancellationToken cancellationToken)
    {
        var ids = result.GetValue(_ids) ?? [];
        if (ids.Length == 0 && !_filter.IsGiven(result))
        {
            throw new UsageException("Give ids, or one or more of --reason, --state, --order, --older-than and --newer-than.");
        }

        var query = _filter.Read(result);
        if (query.States.Where(state => !allowed.Contains(state)).Select(state => state.ToText()).FirstOrDefault() is { } state)
        {
            throw new UsageException($"--state {state}: only rows that are {Allowed} can be changed.");
        }

        return ids.Length == 0
            ? store.ListUnmatchedAsync(query.States.Count == 0 ? query with { States = [UnmatchedState.DeadLettered] } : query, cancellationToken)
            : ById();

        async IAsyncEnumerable<UnmatchedPayment> ById()
        {
            // All of them before the first is changed: a wrong id changes nothing.
            var rows = new List<UnmatchedPayment>();
            foreach (var id in ids.Distinct())
            {
                var row = await FindAsync(store, id, cancellationToken);
                if (!query.Matches(UnmatchedCursor.Of(row), row.State, row.Reason))
                {
                    continue;
                }

                if (!allowed.Contains(row.State))
                {
                    throw new UsageException($"{id} is {row.State.ToText()}; only rows that are {Allowed} can be changed.");
                }

                rows.Add(row);
            }

            foreach (var row in rows)
            {
                yield return row;
            }
        }
    }

    /// <summary>The row that an id names.</summary>
    /// <exception cref="UsageException">The text is not an id.</exception>
    /// <exception cref="NotFoundException">It has no row.</exception>
    public static async Task<UnmatchedPayment> FindAsync(IFactStore store, string id, CancellationToken cancellationToken)
    {
        if (!DeadLetterId.TryGetRowKey(id, out var key))
        {
            throw new UsageException($"{id} is not the id of a dead letter: it must be ORDER-PAYMENT, such as 17-1017, or SUBSCRIPTION-MESSAGE.");
        }

        return (await store.ReadUnmatchedRowsAsync([(key.OrderId, key.PaymentKey)], cancellationToken)).SingleOrDefault()
            ?? throw new NotFoundException($"There is no dead letter or waiting payment {id}.");
    }

    private string Allowed => string.Join(" or ", allowed.Select(state => state.ToText()));
}
