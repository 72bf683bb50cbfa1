using System.Runtime.CompilerServices;
using EcomStream.Core;
using EcomStream.Testing;

namespace EcomStream.Simulation;

/// <summary>A process's connection to the store of the world: slow, and failing as the scenario says.</summary>
/// <param name="world">The world.</param>
/// <param name="process">The process.</param>
internal sealed class SimulatedStore(SimulatedWorld world, SimulatedProcess process) : IFactStore, ICleanStopStore
{
    public ValueTask InitializeAsync(CancellationToken cancellationToken) =>
        new(CallAsync("initialize", () => true, _ => false, cancellationToken));

    public ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken) => new(CallAsync(
        $"write {string.Join(", ", writes.Select(Text))}",
        () => world.Store.Write(writes),
        some => world.Store.Write([.. writes.Where(_ => Scenario.Chance(some, 0.5))]) is null,
        cancellationToken,
        isRejected: writes.Any(write => write.OrderId == world.Scenario.RejectedOrder)));

    public ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        new(CallAsync($"read {string.Join(", ", orderIds)}", () => Now(world.Store.Rows.ReadAsync(orderIds, default)), _ => false, cancellationToken));

    public ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) => new(CallAsync(
        $"write unmatched {string.Join(", ", rows.Select(row => $"{row.OrderId}/{row.PaymentKey} {row.State} {row.Reason}"))}",
        () =>
        {
            world.Store.WriteUnmatched(rows);
            return true;
        },
        some =>
        {
            world.Store.WriteUnmatched([.. rows.Where(_ => Scenario.Chance(some, 0.5))]);
            return false;
        },
        cancellationToken));

    public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) => new(CallAsync<IReadOnlyList<UnmatchedPayment>>(
        $"read unmatched of {string.Join(", ", orderIds)}", () => Shuffled(Now(world.Store.Rows.ReadUnmatchedAsync(orderIds, default))), _ => false, cancellationToken));

    public async IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var row in await CallAsync("list unmatched", () => world.Store.Rows.ListUnmatchedAsync(query, default).ToBlockingEnumerable().ToArray(), _ => false, cancellationToken))
        {
            yield return row;
        }
    }

    public async IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var row in await CallAsync("list unjoined", () => Shuffled(world.Store.Rows.Unmatched).Where(row => row.IsUnjoined).Select(row => new UnjoinedPayment(row.OrderId, row.State, row.PublishTimeMicros)).ToArray(), _ => false, cancellationToken))
        {
            yield return row;
        }
    }

    public ValueTask SetCleanStopAsync(string subscription, CancellationToken cancellationToken) => new(CallAsync(
        $"set the clean stop of {subscription}",
        () =>
        {
            world.Store.Rows.SetCleanStopAsync(subscription, default).AsTask().GetAwaiter().GetResult();
            return true;
        },
        _ => false,
        cancellationToken));

    public ValueTask<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken) => new(CallAsync(
        $"take the clean stop of {subscription}", () => Now(world.Store.Rows.TakeCleanStopAsync(subscription, default)), _ => false, cancellationToken));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static string Text(FactWrite write) =>
        $"{write.OrderId}[{write.Order?.Item}|{write.Payment?.PaymentId} {write.Payment?.PaymentStatus}{(write.PaymentGuarded ? " guarded" : "")}]";

    private static T Now<T>(ValueTask<T> task) => task.AsTask().GetAwaiter().GetResult();

    // The order of rows is the store's choice.
    private UnmatchedPayment[] Shuffled(IEnumerable<UnmatchedPayment> rows)
    {
        var ordered = rows.OrderBy(row => row.OrderId).ThenBy(row => row.PaymentKey, StringComparer.Ordinal).ToArray();
        world.Loop.Random.Shuffle(ordered);
        return ordered;
    }

    // A request arrives, takes effect or not, and is answered or not. A process that is gone hears nothing.
    private async Task<T> CallAsync<T>(string what, Func<T> apply, Func<Random, bool> applyPartly, CancellationToken cancellationToken, bool isRejected = false)
    {
        var random = world.Loop.Random;
        var result = new TaskCompletionSource<T>();
        await using var cancellation = cancellationToken.Register(() => result.TrySetCanceled(cancellationToken));

        // When the process crashes now, the request was sent or not.
        var owner = Scenario.Chance(random, 0.5) ? process : null;
        world.Loop.After(world.Delay(world.Scenario.Latency), $"store: {what}", Arrive, owner);
        return await result.Task;

        void Arrive()
        {
            if (world.StoreIsDown)
            {
                Fail("the store is down");
            }
            else if (isRejected)
            {
                world.Note("store: a row of it is rejected");
                Answer("store: rejects", () => result.TrySetException(new StoreRejectedException("the row is too large")));
            }
            else if (Scenario.Chance(random, world.FaultShare(world.Scenario.StoreFaultShare)))
            {
                switch (random.Next(3))
                {
                    case 0:
                        Fail("nothing of it was done");
                        break;
                    case 1:
                        applyPartly(random);
                        Fail("a part of it was done");
                        break;
                    default:
                        apply();
                        Fail("it was done, and the answer is lost");
                        break;
                }
            }
            else
            {
                var value = apply();
                Answer("store: answers", () => result.TrySetResult(value));
            }
        }

        void Fail(string why)
        {
            world.Note($"store: {why}");
            Answer("store: fails", () => result.TrySetException(new StoreUnavailableException(why)));
        }

        void Answer(string text, Action run) => world.Loop.After(world.Delay(world.Scenario.Latency), text, run, process);
    }
}

/// <summary>The rows of the world.</summary>
/// <param name="world">The world.</param>
internal sealed class StoredRows(SimulatedWorld world)
{
    /// <summary>The rows.</summary>
    public InMemoryFactStore Rows { get; } = new();

    public IReadOnlyList<long> Write(IReadOnlyList<FactWrite> writes)
    {
        foreach (var write in writes)
        {
            world.Checker.Writing(write, Fact(write.OrderId));
        }

        return Rows.WriteAsync(writes, default).AsTask().GetAwaiter().GetResult();
    }

    public void WriteUnmatched(IReadOnlyList<UnmatchedPayment> rows) => Rows.WriteUnmatchedAsync(rows, default).AsTask().GetAwaiter().GetResult();

    public OrderFact? Fact(long orderId) => Rows.ReadAsync([orderId], default).AsTask().GetAwaiter().GetResult()[0];

    public IReadOnlyList<UnmatchedPayment> Unmatched(long orderId) => Rows.ReadUnmatchedAsync([orderId], default).AsTask().GetAwaiter().GetResult();
}
