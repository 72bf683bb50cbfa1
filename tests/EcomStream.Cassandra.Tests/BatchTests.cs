using EcomStream.Cql.TestSupport;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tests;

/// <summary>The batches of one call on a real server, which refuses large ones of several partitions.</summary>
public sealed class BatchTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    // Above Cassandra's batch_size_fail_threshold, 50 KiB.
    private const int Large = 60_000;

    [SkippableTheory]
    [InlineData(100, Large)]
    [InlineData(Large, 100)]
    [InlineData(Large, Large)]
    public async Task Rows_of_any_size_are_written_in_one_call(int first, int second)
    {
        await using var store = new CassandraFactStore(keyspace.Settings);
        await store.InitializeAsync(default);
        var id = Random.Shared.NextInt64(1L << 40);

        await store.WriteUnmatchedAsync([Unmatched(id, first), Unmatched(id + 1, second)], default);
        await store.WriteAsync([Fact(id, first), Fact(id + 1, second)], default);

        (await store.ReadUnmatchedAsync([id, id + 1], default)).OrderBy(row => row.OrderId).Select(row => row.Data.Length).ShouldBe([first, second]);
        (await store.ReadAsync([id, id + 1], default)).Select(row => row!.Order!.Item!.Length).ShouldBe([first, second]);
    }

    [SkippableFact]
    public async Task Of_the_batches_that_the_defaults_make_Cassandra_does_not_warn()
    {
        using var log = new LogLines();
        await using var store = new CassandraFactStore(keyspace.Settings, log);
        await store.InitializeAsync(default);
        var id = Random.Shared.NextInt64(1L << 40);

        foreach (var bytes in new[] { 0, 50, 100, 150, 500, 2_000 })
        {
            await store.WriteAsync([.. Enumerable.Range(0, 300).Select(i => Fact(id + i, bytes))], default);
            await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 300).Select(i => Unmatched(id + i, bytes))], default);
        }

        log.Lines.ShouldAllBe(line => !line.StartsWith("Warning", StringComparison.Ordinal));
    }

    private static UnmatchedPayment Unmatched(long orderId, int bytes) => new()
    {
        OrderId = orderId,
        PaymentKey = "1",
        Data = new byte[bytes],
        PublishTimeMicros = 1,
        MessageId = "1",
        Subscription = "payments_data-sub",
        Reason = DeadLetterReason.Malformed,
        State = UnmatchedState.DeadLettered,
        SinceMicros = 1,
        ChangedMicros = 1,
    };

    private static FactWrite Fact(long orderId, int bytes) => new()
    {
        OrderId = orderId,
        Order = new Order { OrderId = orderId, Item = new string('x', bytes) },
        OrderStamp = new Stamp(1),
        Payment = new Payment { OrderId = orderId, PaymentId = 1, PaymentDatetime = "2024-01-21T45:01:30Z" },
        PaymentStamp = new Stamp(2),
    };
}
