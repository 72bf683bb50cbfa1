using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>
/// Writes rows that an export wrote, perhaps edited since. A stored row is replaced only if it is still the one that was
/// exported. A payment whose data names another order now is written as discarded, so that its old order does not heal it
/// before it is replayed.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="overwrite">Whether stored rows are replaced.</param>
/// <param name="dryRun">Whether nothing is written.</param>
/// <param name="nowMicros">The time, microseconds since the Unix epoch.</param>
internal sealed class Importer(IFactStore store, bool overwrite, bool dryRun, long nowMicros)
{
    /// <summary>Rows that were not there.</summary>
    public int Added { get; private set; }

    /// <summary>Rows that were replaced.</summary>
    public int Replaced { get; private set; }

    /// <summary>Rows that are stored as they stand in the file.</summary>
    public int Same { get; private set; }

    /// <summary>Rows that are stored otherwise and were kept.</summary>
    public int Kept { get; private set; }

    /// <summary>Ids of rows that were not replaced because they changed since the export, or were edited where they must not be.</summary>
    public List<string> Conflicts { get; } = [];

    /// <summary>Rows whose data names another payment now: the id, and that payment.</summary>
    public List<(string Id, string MovesTo)> Moving { get; } = [];

    /// <summary>Writes one batch; at most one row per id.</summary>
    public async Task WriteAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken)
    {
        var stored = (await store.ReadUnmatchedRowsAsync([.. rows.Select(row => (row.OrderId, row.PaymentKey))], cancellationToken))
            .ToDictionary(row => row.Id);
        var changes = new List<UnmatchedChange>();
        foreach (var row in rows)
        {
            var before = stored.GetValueOrDefault(row.Id);
            var after = Held(row);
            if (before is not null && (before.HasSameContent(row) || before.HasSameContent(after)))
            {
                Same++;
            }
            else if (before is not null && !overwrite)
            {
                Kept++;
            }
            else if (before is { State: UnmatchedState.Waiting } || (before is not null && !IsSameVersion(before, row)))
            {
                Conflicts.Add(row.Id);
            }
            else
            {
                changes.Add(new UnmatchedChange(before, after));
            }
        }

        var applied = dryRun ? [.. changes.Select(_ => true)] : await store.ChangeUnmatchedAsync(changes, CancellationToken.None);
        foreach (var (change, isApplied) in changes.Zip(applied))
        {
            Count(change, isApplied);
        }
    }

    private void Count(UnmatchedChange change, bool isApplied)
    {
        if (!isApplied)
        {
            Conflicts.Add(change.After.Id);
            return;
        }

        _ = change.Before is null ? Added++ : Replaced++;
        if (change.After.State == UnmatchedState.Discarded && Replayer.MovesTo(change.After) is { } target && change.After.ChangedMicros == nowMicros)
        {
            Moving.Add((change.After.Id, target));
        }
    }

    // Every change of a row by the pipeline or a command changes one of these.
    private static bool IsSameVersion(UnmatchedPayment stored, UnmatchedPayment row) =>
        stored.State == row.State && stored.ChangedMicros == row.ChangedMicros && stored.Replays == row.Replays && stored.History == row.History
        && stored.MessageId == row.MessageId && stored.PublishTimeMicros == row.PublishTimeMicros;

    // A payment without an id is always another message once it is replayed; its order stays its own.
    private UnmatchedPayment Held(UnmatchedPayment row) =>
        row.State is UnmatchedState.Waiting or UnmatchedState.DeadLettered && !row.PaymentKey.StartsWith(PaymentReceived.MessagePrefix, StringComparison.Ordinal)
        && Replayer.MovesTo(row) is { } target
            ? row.Become(UnmatchedState.Discarded, nowMicros, $"imported with the data of {target}") with { Detail = $"moves to {target}: replay it" }
            : row;
}
