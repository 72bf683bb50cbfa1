using System.Diagnostics;
using System.Diagnostics.Metrics;
using EcomStream.Core;

namespace EcomStream.Hosting;

/// <summary>What the calls of a store have shown about it.</summary>
/// <param name="FailingFor">For how long every call of some kind has failed; null while the last one of each kind succeeded.</param>
/// <param name="Error">The latest error of that kind; null without one.</param>
/// <param name="PendingFor">For how long the oldest call has been under way; zero without any.</param>
internal readonly record struct StoreCondition(TimeSpan? FailingFor, Exception? Error, TimeSpan PendingFor);

/// <summary>Passes calls on to a store, measures them, and knows whether they succeed.</summary>
/// <param name="inner">The store.</param>
/// <param name="time">The clock.</param>
/// <param name="opened">Called whenever the store has been initialized; the initialization fails when it does. Null for nothing.</param>
internal sealed class MonitoredStore(IFactStore inner, TimeProvider time, Func<CancellationToken, Task>? opened = null) : IFactStore, ICleanStopStore
{
    private static readonly Meter _meter = new("EcomStream.Hosting");
    private static readonly Histogram<double> _duration = _meter.CreateHistogram(
        "ecomstream.store.duration", "s", "Duration of a call of the store, by operation and outcome.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long Since, Exception Error)> _failing = [];
    private readonly SortedSet<(long Since, long Call)> _pending = [];
    private long _calls;

    /// <summary>What the calls have shown until now.</summary>
    public StoreCondition Condition
    {
        get
        {
            lock (_lock)
            {
                var pending = _pending.Count > 0 ? time.GetElapsedTime(_pending.Min.Since) : TimeSpan.Zero;
                if (_failing.Count == 0)
                {
                    return new StoreCondition(null, null, pending);
                }

                var (since, error) = _failing.Values.MinBy(failure => failure.Since);
                return new StoreCondition(time.GetElapsedTime(since), error, pending);
            }
        }
    }

    public async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        using (var call = new Call(this, "initialize"))
        {
            await call.Watch(inner.InitializeAsync(cancellationToken));
        }

        await (opened?.Invoke(cancellationToken) ?? Task.CompletedTask);
    }

    public async ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "write");
        return await call.Watch(inner.WriteAsync(writes, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "read");
        return await call.Watch(inner.ReadAsync(orderIds, cancellationToken));
    }

    public async ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "write_unmatched");
        await call.Watch(inner.WriteUnmatchedAsync(rows, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "write_unmatched");
        return await call.Watch(inner.ChangeUnmatchedAsync(changes, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<UnmatchedCount>> CountUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "count_unmatched");
        return await call.Watch(inner.CountUnmatchedAsync(query, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "read_unmatched");
        return await call.Watch(inner.ReadUnmatchedAsync(orderIds, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedRowsAsync(
        IReadOnlyCollection<(long OrderId, string PaymentKey)> keys, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "read_unmatched");
        return await call.Watch(inner.ReadUnmatchedRowsAsync(keys, cancellationToken));
    }

    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnjoinedAsync(
        IReadOnlyList<long> orderIds, int limit, CancellationToken cancellationToken)
    {
        using var call = new Call(this, "read_unmatched");
        return await call.Watch(inner.ReadUnjoinedAsync(orderIds, limit, cancellationToken));
    }

    public IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) =>
        inner.ListUnmatchedAsync(query, cancellationToken);

    public IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(CancellationToken cancellationToken) =>
        inner.ListUnjoinedAsync(cancellationToken);

    // A store without such records has none.
    public ValueTask SetCleanStopAsync(string subscription, CancellationToken cancellationToken) =>
        (inner as ICleanStopStore)?.SetCleanStopAsync(subscription, cancellationToken) ?? ValueTask.CompletedTask;

    public ValueTask<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken) =>
        (inner as ICleanStopStore)?.TakeCleanStopAsync(subscription, cancellationToken) ?? ValueTask.FromResult(false);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    /// <summary>One call; disposed when it has ended.</summary>
    private sealed class Call : IDisposable
    {
        private readonly MonitoredStore _store;
        private readonly string _operation;
        private readonly (long Since, long Call) _key;
        private string _outcome = "cancelled";

        public Call(MonitoredStore store, string operation)
        {
            (_store, _operation) = (store, operation);
            lock (store._lock)
            {
                _key = (store.Now, ++store._calls);
                store._pending.Add(_key);
            }
        }

        public async ValueTask Watch(ValueTask call)
        {
            try
            {
                await call;
                Ended(null);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                Ended(error);
                throw;
            }
        }

        public async ValueTask<T> Watch<T>(ValueTask<T> call)
        {
            try
            {
                var result = await call;
                Ended(null);
                return result;
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                Ended(error);
                throw;
            }
        }

        public void Dispose()
        {
            lock (_store._lock)
            {
                _store._pending.Remove(_key);
            }

            _duration.Record(
                _store.Elapsed(_key.Since).TotalSeconds, new TagList { { "operation", _operation }, { "outcome", _outcome } });
        }

        private void Ended(Exception? error)
        {
            lock (_store._lock)
            {
                // A rejected row says nothing about the store.
                if (error is null or StoreRejectedException)
                {
                    _outcome = error is null ? "ok" : "rejected";
                    _store._failing.Remove(_operation);
                    return;
                }

                _outcome = "failed";
                _store._failing[_operation] = (_store._failing.TryGetValue(_operation, out var failing) ? failing.Since : _key.Since, error);
            }
        }
    }

    private long Now => time.GetTimestamp();

    private TimeSpan Elapsed(long since) => time.GetElapsedTime(since);
}
