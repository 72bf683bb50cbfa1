using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using Akka.Actor;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.Testing;

namespace EcomStream.Benchmarks;

/// <summary>
/// The join alone: JSON bytes in, facts out, through decoder, router, supervisors and one actor per order, payments
/// 500 orders behind. The subscriptions are a loop over prepared bytes with the bound on outstanding messages that a
/// real one has; the store keeps nothing but counts.
/// </summary>
internal static class JoinScenario
{
    /// <summary>
    /// Bytes of the heap per live order: orders without payments, everything settled, a full collection before and
    /// after.
    /// </summary>
    public static async Task<double> LiveOrderBytesAsync(int orders)
    {
        var store = new CountingFactStore();
        await using var orderSource = new LoopSubscription("orders", orders, 4_000, Payload.Order, () => Task.CompletedTask, _ => { });
        await using var paymentSource = new LoopSubscription("payments", 0, 4_000, Payload.Payment, () => Task.CompletedTask, _ => { });
        var config = ConfigurationFactory.ParseString($"ecomstream.join {{ max-live-orders = {orders * 2}, passivate-after = 1h }}");
        using var system = ActorSystem.Create("bench", config.WithFallback(EcomStreamSettings.Reference));
        var before = Heap();
        await using var pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(store, orderSource, paymentSource, new InMemoryPublisher()));
        await orderSource.Drained;
        var bytes = (double)(Heap() - before) / orders;
        await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
        Console.WriteLine($"  {bytes,12:N0} bytes per live order   {orders:N0} orders");
        return bytes;

        static long Heap()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            return GC.GetTotalMemory(forceFullCollection: true);
        }
    }

    private const int Lag = 500;
    private const int BatchSize = 500;

    public static async Task<double> RunAsync(int orders, int outstanding)
    {
        var store = new CountingFactStore();
        using var pace = new Pace(Lag / BatchSize);
        await using var orderSource = new LoopSubscription("orders", orders, outstanding, Payload.Order, pace.BeforeOrders, pace.AfterOrders);
        await using var paymentSource = new LoopSubscription("payments", orders, outstanding, Payload.Payment, pace.BeforePayments, pace.AfterPayments);
        using var system = ActorSystem.Create("bench", EcomStreamSettings.Reference);
        var clock = Stopwatch.StartNew();
        await using var pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(store, orderSource, paymentSource, new InMemoryPublisher()));
        await Task.WhenAll(orderSource.Drained, paymentSource.Drained);
        var elapsed = clock.Elapsed;
        await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
        if (store.Payments != orders)
        {
            throw new InvalidOperationException($"{store.Payments} payments joined of {orders}");
        }

        Console.WriteLine(
            $"  {2.0 * orders / elapsed.TotalSeconds,12:N0} messages/s   {elapsed.TotalSeconds:0.00} s   {(double)store.Rows / orders:0.000} writes per order   {GC.CollectionCount(0)}/{GC.CollectionCount(1)}/{GC.CollectionCount(2)} collections");
        return 2.0 * orders / elapsed.TotalSeconds;
    }

    /// <summary>Keeps the payments so many batches behind the orders, and the orders no further ahead than that.</summary>
    private sealed class Pace(int lagBatches) : IDisposable
    {
        private readonly SemaphoreSlim _orders = new(lagBatches + 1);
        private readonly SemaphoreSlim _payments = new(0);

        public Task BeforeOrders() => _orders.WaitAsync();

        public void AfterOrders(bool isLast) => _payments.Release(isLast ? lagBatches + 1 : 1);

        // The first payments wait for the first batches of orders, the others for one each.
        public async Task BeforePayments()
        {
            if (!_started)
            {
                _started = true;
                for (var i = 0; i < lagBatches; i++)
                {
                    await _payments.WaitAsync();
                }
            }

            await _payments.WaitAsync();
        }

        public void AfterPayments(bool isLast) => _orders.Release();

        public void Dispose()
        {
            _orders.Dispose();
            _payments.Dispose();
        }

        private bool _started;
    }

    private static class Payload
    {
        public static byte[] Order(int id) => Encoding.UTF8.GetBytes(
            $$"""{"order_id": {{id}}, "customer_id": {{id % 1000}}, "item": "Laptop", "quantity": {{(id % 5) + 1}}, "price": {{(id % 900) + 99.5}}, "shipping_address": "{{id}} Main St, City A, Country", "order_status": "Shipped", "creation_date": "2024-01-21"}""");

        public static byte[] Payment(int id) => Encoding.UTF8.GetBytes(
            $$"""{"payment_id": {{id + 1000}}, "order_id": {{id}}, "payment_method": "Credit Card", "card_last_four": "{{id % 10000:0000}}", "payment_status": "Completed", "payment_datetime": "2024-01-21T{{id % 60:00}}:01:30Z"}""");
    }

    private sealed class LoopSubscription(
        string name,
        int total,
        int maxOutstanding,
        Func<int, byte[]> payload,
        Func<Task> before,
        Action<bool> after) : ISubscription
    {
        private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _slots = new(0);
        private readonly byte[][] _data = [.. Enumerable.Range(1, total).Select(payload)];
        private int _outstanding;
        private int _settled;
        private volatile bool _waiting;

        public string Name => name;

        public Task Drained => _drained.Task;

        public SubscriptionStatus Status => new(true, Volatile.Read(ref _outstanding), 0);

        public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
        {
            await Task.Yield();
            for (var start = 0; start < total; start += BatchSize)
            {
                var end = Math.Min(start + BatchSize, total);
                while (Volatile.Read(ref _outstanding) + BatchSize > maxOutstanding)
                {
                    _waiting = true;
                    await _slots.WaitAsync(TimeSpan.FromMilliseconds(2), CancellationToken.None);
                    _waiting = false;
                }

                await before();
                var batch = new Delivery[end - start];
                for (var i = start; i < end; i++)
                {
                    batch[i - start] = new LoopDelivery(this, _data[i], i);
                }

                Interlocked.Add(ref _outstanding, batch.Length);
                yield return batch;
                after(end == total);
            }
        }

        public ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken) =>
            ValueTask.FromResult(new SubscriptionProbe(Timestamps.Micros(TimeProvider.System.GetUtcNow()), LongestLease: null, Backlog: null));

        public OutstandingMessage? OldestOutstanding() => null;

        public Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private void Settle()
        {
            var left = Interlocked.Decrement(ref _outstanding);
            if (_waiting && left == maxOutstanding - BatchSize)
            {
                _slots.Release();
            }

            if (Interlocked.Increment(ref _settled) == total)
            {
                _drained.TrySetResult();
            }
        }

        private sealed class LoopDelivery(LoopSubscription source, byte[] data, int index) : Delivery
        {
            private int _done;

            public override ReadOnlyMemory<byte> Data => data;

            public override IReadOnlyDictionary<string, string> Attributes => NoAttributes;

            public override string MessageId => "";

            public override long PublishTimeMicros => 1_700_000_000_000_001 + (index * 7L);

            public override string Subscription => source.Name;

            public override void Ack()
            {
                if (Interlocked.Exchange(ref _done, 1) == 0)
                {
                    source.Settle();
                }
            }

            public override void Nack() => Ack();
        }
    }

    /// <summary>A store that counts rows and forgets them: what is measured is the join, not a table.</summary>
    private sealed class CountingFactStore : IFactStore
    {
        public long Rows;

        public long Payments;

        public ValueTask InitializeAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken)
        {
            Interlocked.Add(ref Rows, writes.Count);
            var payments = 0;
            for (var i = 0; i < writes.Count; i++)
            {
                payments += writes[i].Payment is null ? 0 : 1;
            }

            Interlocked.Add(ref Payments, payments);

            return ValueTask.FromResult<IReadOnlyList<long>>([]);
        }

        public ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<OrderFact?>>(new OrderFact?[orderIds.Count]);

        public ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) =>
            ValueTask.CompletedTask;

        public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
            ValueTask.FromResult<IReadOnlyList<UnmatchedPayment>>([]);

        public IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) =>
            AsyncEnumerable.Empty<UnmatchedPayment>();

        public IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(CancellationToken cancellationToken) =>
            AsyncEnumerable.Empty<UnjoinedPayment>();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
