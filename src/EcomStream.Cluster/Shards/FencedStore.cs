using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>
/// The store of one shard: it writes only while this node certainly owns its shards, and counts a write that outlasted that
/// certainty as failed, so that nothing is acked on its strength. Unmatched rows are written by comparison with what was read,
/// which keeps the later write of another owner.
/// </summary>
/// <param name="store">The store of the node.</param>
/// <param name="ownership">Whether this node owns its shards.</param>
/// <param name="shard">The shard.</param>
/// <param name="shards">The number of shards.</param>
internal sealed class FencedStore(IFactStore store, INodeOwnership ownership, int shard, int shards) : IFactStore
{
    public ValueTask InitializeAsync(CancellationToken cancellationToken) => store.InitializeAsync(cancellationToken);

    public ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken) =>
        OwnedAsync(() => store.WriteAsync(writes, cancellationToken));

    public async ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) =>
        await OwnedAsync(async () =>
        {
            await store.WriteUnmatchedAsync(rows, cancellationToken);
            return true;
        });

    public ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken) =>
        OwnedAsync(() => store.ChangeUnmatchedAsync(changes, cancellationToken));

    public ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        OwnedAsync(() => store.ReadAsync(orderIds, cancellationToken));

    public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        OwnedAsync(() => store.ReadUnmatchedAsync(orderIds, cancellationToken));

    public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedRowsAsync(
        IReadOnlyCollection<(long OrderId, string PaymentKey)> keys, CancellationToken cancellationToken) =>
        OwnedAsync(() => store.ReadUnmatchedRowsAsync(keys, cancellationToken));

    public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnjoinedAsync(
        IReadOnlyList<long> orderIds, int limit, CancellationToken cancellationToken) =>
        OwnedAsync(() => store.ReadUnjoinedAsync(orderIds, limit, cancellationToken));

    public IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) =>
        store.ListUnmatchedAsync(query, cancellationToken);

    public ValueTask<IReadOnlyList<UnmatchedCount>> CountUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) =>
        store.CountUnmatchedAsync(query, cancellationToken);

    /// <summary>Only the payments of this shard.</summary>
    public IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(CancellationToken cancellationToken) =>
        store.ListUnjoinedAsync(cancellationToken).Where(payment => Core.Shards.Of(payment.OrderId, shards) == shard);

    /// <summary>Does nothing: the store belongs to the node.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async ValueTask<T> OwnedAsync<T>(Func<ValueTask<T>> call)
    {
        if (ownership.Certificate is not { } before)
        {
            throw Uncertain("has not begun");
        }

        var result = await call();
        return ownership.Certificate == before ? result : throw Uncertain("is repeated");
    }

    private StoreUnavailableException Uncertain(string consequence) => new(
        $"This node has not heard from the majority of the cluster, which may have moved shard {shard} to another node by now: the call {consequence}.");
}
