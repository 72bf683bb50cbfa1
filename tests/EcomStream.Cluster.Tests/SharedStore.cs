using EcomStream.Core;

namespace EcomStream.Cluster.Tests;

/// <summary>The store of all nodes: it is not disposed with one of them, and compares and writes unmatched rows in one step.</summary>
internal sealed class SharedStore(IFactStore store) : IFactStore
{
    private static readonly SemaphoreSlim _changes = new(1);

    public ValueTask InitializeAsync(CancellationToken cancellationToken) => store.InitializeAsync(cancellationToken);

    public ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken) =>
        store.WriteAsync(writes, cancellationToken);

    public ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        store.ReadAsync(orderIds, cancellationToken);

    public ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) =>
        store.WriteUnmatchedAsync(rows, cancellationToken);

    public async ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken)
    {
        await _changes.WaitAsync(cancellationToken);
        try
        {
            return await store.ChangeUnmatchedAsync(changes, cancellationToken);
        }
        finally
        {
            _changes.Release();
        }
    }

    public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        store.ReadUnmatchedAsync(orderIds, cancellationToken);

    public IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) =>
        store.ListUnmatchedAsync(query, cancellationToken);

    public IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(CancellationToken cancellationToken) => store.ListUnjoinedAsync(cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
