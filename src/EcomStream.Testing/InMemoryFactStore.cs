using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using EcomStream.Core;

namespace EcomStream.Testing;

/// <summary>
/// A fact store in memory, for tests and benchmarks: the whole contract, with a hook in front of every call that may
/// delay it or make it fail.
/// </summary>
public sealed class InMemoryFactStore : IFactStore, ICleanStopStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, OrderFact> _facts = [];
    private readonly ConcurrentDictionary<(long, string), UnmatchedPayment> _unmatched = new();
    private readonly ConcurrentDictionary<string, bool> _cleanStops = new();
    private long _rowsWritten;

    /// <summary>Runs before each call takes effect.</summary>
    public Func<StoreOperation, Task>? BeforeCall { get; set; }

    /// <summary>Runs before a batch is written, with the batch.</summary>
    public Action<IReadOnlyList<FactWrite>>? BeforeWrite { get; set; }

    /// <summary>Runs before unmatched rows are written, with the rows.</summary>
    public Action<IReadOnlyList<UnmatchedPayment>>? BeforeWriteUnmatched { get; set; }

    /// <summary>How many row writes have been done; an order and its payment merged are one.</summary>
    public long RowsWritten => Volatile.Read(ref _rowsWritten);

    /// <summary>A copy of the rows, by order id.</summary>
    public IReadOnlyDictionary<long, OrderFact> Facts
    {
        get
        {
            lock (_lock)
            {
                return new Dictionary<long, OrderFact>(_facts);
            }
        }
    }

    /// <summary>A copy of the unmatched rows.</summary>
    public IReadOnlyCollection<UnmatchedPayment> Unmatched => [.. _unmatched.Values];

    /// <summary>Another program replaces a row, without a stamp.</summary>
    public void ScriptInserts(Order order)
    {
        lock (_lock)
        {
            _facts[order.OrderId] = new OrderFact(order.OrderId, order, Stamp.None, null, Stamp.None);
        }
    }

    /// <summary>Another program deletes a row.</summary>
    public void ScriptDeletes(long orderId)
    {
        lock (_lock)
        {
            _facts.Remove(orderId);
        }
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken) => await Before(StoreOperation.Initialize, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.Write, cancellationToken);
        BeforeWrite?.Invoke(writes);
        List<long>? refused = null;
        lock (_lock)
        {
            foreach (var write in writes)
            {
                if (!Apply(write))
                {
                    (refused ??= []).Add(write.OrderId);
                }
            }
        }

        Interlocked.Add(ref _rowsWritten, writes.Count);
        return refused ?? (IReadOnlyList<long>)[];
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.Read, cancellationToken);
        lock (_lock)
        {
            return [.. orderIds.Select(id => _facts.GetValueOrDefault(id))];
        }
    }

    /// <inheritdoc/>
    public async ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.WriteUnmatched, cancellationToken);
        BeforeWriteUnmatched?.Invoke(rows);
        foreach (var row in rows)
        {
            _unmatched.AddOrUpdate(
                (row.OrderId, row.PaymentKey),
                row,
                (_, before) => row with { SinceMicros = Math.Min(before.SinceMicros, row.SinceMicros) });
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.WriteUnmatched, cancellationToken);
        BeforeWriteUnmatched?.Invoke([.. changes.Select(change => change.After)]);
        return
        [
            .. changes.Select(change =>
            {
                var key = (change.After.OrderId, change.After.PaymentKey);
                return change.Before is { } before
                    ? _unmatched.TryGetValue(key, out var stored) && stored.HasSameContent(before)
                        && _unmatched.TryUpdate(key, change.After with { SinceMicros = Math.Min(stored.SinceMicros, change.After.SinceMicros) }, stored)
                    : _unmatched.TryAdd(key, change.After);
            }),
        ];
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.ReadUnmatched, cancellationToken);
        var wanted = orderIds.ToHashSet();
        return [.. _unmatched.Values.Where(row => wanted.Contains(row.OrderId))];
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(
        UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Before(StoreOperation.List, cancellationToken);
        var rows = _unmatched.Values
            .Where(row => query.Matches(UnmatchedCursor.Of(row), row.State, row.Reason))
            .OrderBy(UnmatchedCursor.Of, Comparer<UnmatchedCursor>.Create(query.Compare))
            .Take(query.Limit);
        foreach (var row in rows)
        {
            yield return row;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Before(StoreOperation.List, cancellationToken);
        foreach (var row in _unmatched.Values.Where(row => row.IsUnjoined))
        {
            yield return new UnjoinedPayment(row.OrderId, row.State, row.PublishTimeMicros);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask SetCleanStopAsync(string subscription, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.SetCleanStop, cancellationToken);
        _cleanStops[subscription] = true;
    }

    /// <inheritdoc/>
    public async ValueTask<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken)
    {
        await Before(StoreOperation.TakeCleanStop, cancellationToken);
        return _cleanStops.TryRemove(subscription, out _);
    }

    private ValueTask Before(StoreOperation operation, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return BeforeCall is { } hook ? new ValueTask(hook(operation)) : ValueTask.CompletedTask;
    }

    private bool Apply(FactWrite write)
    {
        var row = _facts.GetValueOrDefault(write.OrderId);
        var (order, orderStamp) = (row?.Order, row?.OrderStamp ?? Stamp.None);
        var (payment, paymentStamp, detailStamp) = (row?.Payment, row?.PaymentStamp ?? Stamp.None, row?.PaymentDetailStamp ?? Stamp.None);
        if (write.Order is not null && write.OrderStamp >= orderStamp)
        {
            order = order is not null && write.OrderStamp == orderStamp ? CellOrder.Resolve(order, write.Order) : write.Order;
            orderStamp = write.OrderStamp;
        }

        var refused = PaymentGuard.Refuses(row, write);
        if (write.Payment is not null && !refused)
        {
            var details = write.PaymentDetailStamp ?? write.PaymentStamp;
            payment = payment is null
                ? write.Payment
                : CellOrder.Resolve(payment, paymentStamp, detailStamp, write.Payment, write.PaymentStamp, details);
            (paymentStamp, detailStamp) = (Newer(paymentStamp, write.PaymentStamp), Newer(detailStamp, details));
        }

        if (order is not null || payment is not null)
        {
            _facts[write.OrderId] = new OrderFact(write.OrderId, order, orderStamp, payment, paymentStamp) { PaymentDetailStamp = detailStamp };
        }

        return !refused;
    }

    private static Stamp Newer(Stamp one, Stamp other) => one > other ? one : other;
}
