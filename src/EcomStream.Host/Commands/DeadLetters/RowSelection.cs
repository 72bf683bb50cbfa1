using System.CommandLine;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>The rows that a command changes: those whose ids are given, or the dead letters that a filter finds.</summary>
internal sealed class RowSelection
{
    private readonly Argument<string[]> _ids = new("id")
    {
        Description = "Ids as the list shows them, such as 17-1017",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly RowFilter _filter = new();
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only say how many there are" };

    public void AddTo(Command command)
    {
        command.Arguments.Add(_ids);
        _filter.AddTo(command, withState: false);
        command.Options.Add(_dryRun);
    }

    public bool IsDryRun(ParseResult result) => result.GetValue(_dryRun);

    /// <summary>Streams the rows, oldest first; of those with ids, in the order in which they were given.</summary>
    /// <param name="store">The store.</param>
    /// <param name="result">The command line.</param>
    /// <param name="allowed">The states that a row with a given id may be in.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="UsageException">Neither ids nor a filter are given, or there is no such row, or in another state.</exception>
    public IAsyncEnumerable<UnmatchedPayment> ReadAsync(
        IFactStore store, ParseResult result, IReadOnlyList<UnmatchedState> allowed, CancellationToken cancellationToken)
    {
        var ids = result.GetValue(_ids) ?? [];
        if ((ids.Length == 0) != _filter.IsGiven(result))
        {
            throw new UsageException("Give either ids, or one or more of --reason, --order, --older-than and --newer-than.");
        }

        return ids.Length == 0
            ? store.ListUnmatchedAsync(_filter.Read(result, UnmatchedState.DeadLettered), cancellationToken)
            : ById();

        async IAsyncEnumerable<UnmatchedPayment> ById()
        {
            foreach (var id in ids.Distinct())
            {
                var row = await FindAsync(store, id, cancellationToken);
                if (!allowed.Contains(row.State))
                {
                    throw new UsageException($"{id} is {row.State.ToText()}; only what is {string.Join(" or ", allowed.Select(s => s.ToText()))} can be handled so.");
                }

                yield return row;
            }
        }
    }

    /// <summary>The row that an id names.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static async Task<UnmatchedPayment> FindAsync(IFactStore store, string id, CancellationToken cancellationToken)
    {
        if (!DeadLetterId.TryGetRowKey(id, out var key))
        {
            throw new UsageException($"{id} is no id of a dead letter: it must be ORDER-PAYMENT, such as 17-1017, or SUBSCRIPTION-MESSAGE.");
        }

        return (await store.ReadUnmatchedAsync([key.OrderId], cancellationToken)).SingleOrDefault(row => row.PaymentKey == key.PaymentKey)
            ?? throw new UsageException($"There is no dead letter or waiting payment {id}.");
    }
}
