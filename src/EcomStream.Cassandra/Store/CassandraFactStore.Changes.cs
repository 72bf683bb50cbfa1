using EcomStream.Cassandra.Tables;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <content>What operators' tools need: conditional changes of unmatched rows, and counts.</content>
public sealed partial class CassandraFactStore
{
    /// <summary>
    /// A change is written one microsecond after the write that was read. Every other program's later write of that row has
    /// a later write timestamp, so it remains, whichever of the two arrives first, without a lightweight transaction.
    /// </summary>
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken)
    {
        // A row that another program inserts while this reads has a later write timestamp than this.
        var start = _clock.Next();
        var stored = ByKey(await ReadRowsWithWriteTimesAsync([.. changes.Select(change => (change.After.OrderId, change.After.PaymentKey))], cancellationToken));
        var writes = new List<(UnmatchedPayment Row, long Timestamp)>();
        foreach (var (before, after) in changes)
        {
            if (!stored.TryGetValue((after.OrderId, after.PaymentKey), out var found))
            {
                if (before is null)
                {
                    writes.Add((after, start));
                }
            }
            else if (before?.HasSameContent(found.Row) == true)
            {
                writes.Add((after, found.WriteTime + 1));
            }
        }

        await WriteStampedAsync(writes, cancellationToken);
        var written = writes.Select(write => (write.Row.OrderId, write.Row.PaymentKey)).ToHashSet();
        var now = ByKey(await ReadRowsWithWriteTimesAsync(written, cancellationToken));
        return
        [
            .. changes.Select(change => written.Contains((change.After.OrderId, change.After.PaymentKey))
                && now.TryGetValue((change.After.OrderId, change.After.PaymentKey), out var found)
                && found.Row.HasSameContent(change.After with { SinceMicros = found.Row.SinceMicros })),
        ];
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedCount>> CountUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<(long Hour, DeadLetterReason Reason, UnmatchedState State), long>();
        var keys = query.OrderId is null
            ? Listing().UnorderedAsync(query, cancellationToken)
            : ListUnmatchedAsync(query with { Limit = int.MaxValue }, cancellationToken)
                .Select(row => new UnmatchedKey(UnmatchedCursor.Of(row), row.State, row.Reason));
        await foreach (var key in Translated(keys).WithCancellation(cancellationToken))
        {
            var group = (UnmatchedCount.HourOf(key.Place.PublishTimeMicros), key.Reason, key.State);
            counts[group] = counts.GetValueOrDefault(group) + 1;
        }

        return [.. counts.Select(count => new UnmatchedCount(count.Key.Hour, count.Key.Reason, count.Key.State, count.Value))];
    }

    private static Dictionary<(long OrderId, string PaymentKey), (UnmatchedPayment Row, long WriteTime)> ByKey(
        IEnumerable<(UnmatchedPayment Row, long WriteTime)> rows) => rows.ToDictionary(found => (found.Row.OrderId, found.Row.PaymentKey));
}
