namespace EcomStream.Core;

/// <summary>
/// Where joined facts and unmatched payments are kept. Batch-shaped: every call takes many rows. All calls may run
/// concurrently, but a caller has at most one write of one order under way.
/// </summary>
/// <remarks>
/// Every method throws <see cref="StoreUnavailableException"/> when the same call may succeed later (the batch may
/// then be partly written; repeating it is harmless), and <see cref="StoreRejectedException"/> when it never will.
/// </remarks>
public interface IFactStore : IAsyncDisposable
{
    /// <summary>Makes or verifies the tables. Called once before anything else.</summary>
    ValueTask InitializeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Writes rows durably; when it returns, they survive a crash. At most one write per order in a batch.
    /// </summary>
    /// <returns>
    /// The order ids whose <see cref="FactWrite.PaymentGuarded"/> payment was refused because of the payment that the row
    /// holds (<see cref="PaymentGuard"/>); empty in the ordinary case.
    /// </returns>
    ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken);

    /// <summary>Reads rows. The result has one element per id, in the same order; null where there is no row.</summary>
    ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken);

    /// <summary>Inserts or replaces unmatched rows by (order id, payment key), durably.</summary>
    ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken);

    /// <summary>
    /// Writes each row only if the stored row is still as it was read, so that what another program has written in the
    /// meantime remains. The default implementation compares and writes in two steps; a store that several programs write
    /// to overrides it.
    /// </summary>
    /// <param name="changes">The changes, at most one per row.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>For each change, in order, whether it took effect.</returns>
    async ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken)
    {
        var stored = (await ReadUnmatchedRowsAsync([.. changes.Select(change => (change.After.OrderId, change.After.PaymentKey))], cancellationToken))
            .ToDictionary(row => (row.OrderId, row.PaymentKey));
        bool[] applies =
        [
            .. changes.Select(change => stored.TryGetValue((change.After.OrderId, change.After.PaymentKey), out var row)
                ? change.Before?.HasSameContent(row) == true
                : change.Before is null),
        ];
        await WriteUnmatchedAsync([.. changes.Where((_, i) => applies[i]).Select(change => change.After)], cancellationToken);
        return applies;
    }

    /// <summary>Reads all unmatched rows of some orders, in no particular order.</summary>
    ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken);

    /// <summary>Reads unmatched rows by key, in no particular order; a key without a row has no element in the result.</summary>
    async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedRowsAsync(
        IReadOnlyCollection<(long OrderId, string PaymentKey)> keys, CancellationToken cancellationToken)
    {
        var wanted = keys.ToHashSet();
        var rows = await ReadUnmatchedAsync([.. wanted.Select(key => key.OrderId).Distinct()], cancellationToken);
        return [.. rows.Where(row => wanted.Contains((row.OrderId, row.PaymentKey)))];
    }

    /// <summary>
    /// Reads the unjoined payments of some orders (<see cref="UnmatchedPayment.IsUnjoined"/>): those that wait first, then
    /// those that were dead-lettered, then those that were discarded; in each group the oldest publish time first.
    /// </summary>
    /// <param name="orderIds">The orders.</param>
    /// <param name="limit">At most this many rows per order; an order with exactly this many may have more.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnjoinedAsync(
        IReadOnlyList<long> orderIds, int limit, CancellationToken cancellationToken)
    {
        var rows = await ReadUnmatchedAsync(orderIds, cancellationToken);
        return
        [
            .. rows.Where(row => row.IsUnjoined)
                .GroupBy(row => row.OrderId)
                .SelectMany(group => group
                    .OrderBy(row => row.State switch { UnmatchedState.Waiting => 0, UnmatchedState.DeadLettered => 1, _ => 2 })
                    .ThenBy(UnmatchedCursor.Of)
                    .Take(limit)),
        ];
    }

    /// <summary>
    /// Streams the unmatched rows that a query asks for, oldest publish time first, then by order id and payment key; in
    /// reverse with <see cref="UnmatchedQuery.NewestFirst"/>.
    /// </summary>
    IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken);

    /// <summary>
    /// Counts the unmatched rows that a query asks for by hour of publish time, reason and state, in no particular order.
    /// The query's limit is ignored.
    /// </summary>
    async ValueTask<IReadOnlyList<UnmatchedCount>> CountUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<(long Hour, DeadLetterReason Reason, UnmatchedState State), long>();
        await foreach (var row in ListUnmatchedAsync(query with { Limit = int.MaxValue }, cancellationToken))
        {
            var key = (UnmatchedCount.HourOf(row.PublishTimeMicros), row.Reason, row.State);
            counts[key] = counts.GetValueOrDefault(key) + 1;
        }

        return [.. counts.Select(count => new UnmatchedCount(count.Key.Hour, count.Key.Reason, count.Key.State, count.Value))];
    }

    /// <summary>
    /// Streams the unjoined payments (<see cref="UnmatchedPayment.IsUnjoined"/>): those that wait, and those without an order
    /// that were dead-lettered or discarded. In no particular order.
    /// </summary>
    IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(CancellationToken cancellationToken);
}
