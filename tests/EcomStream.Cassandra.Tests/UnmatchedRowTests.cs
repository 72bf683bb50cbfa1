using EcomStream.Cassandra.Tables;
using EcomStream.Cql.TestSupport;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tests;

/// <summary>What Cassandra keeps of the rows of unmatched payments beside their columns: write timestamps and lifetimes.</summary>
public sealed class UnmatchedRowTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_read_is_overwritten_also_by_a_machine_whose_clock_is_behind(bool listed)
    {
        await using var ahead = new CassandraFactStore(keyspace.Settings, time: new ShiftedClock(TimeSpan.FromHours(1)));
        await using var behind = new CassandraFactStore(keyspace.Settings);
        await ahead.InitializeAsync(default);
        await behind.InitializeAsync(default);
        var waiting = Waiting();
        await ahead.WriteUnmatchedAsync([waiting], default);

        if (listed)
        {
            (await behind.ListUnjoinedAsync(default).AnyAsync(row => row.OrderId == waiting.OrderId)).ShouldBeTrue();
        }
        else
        {
            (await behind.ReadUnmatchedAsync([waiting.OrderId], default)).Count.ShouldBe(1);
        }

        await behind.WriteUnmatchedAsync([waiting.Become(UnmatchedState.Discarded, 2)], default);

        (await ahead.ReadUnmatchedAsync([waiting.OrderId], default)).ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
    }

    [SkippableFact]
    public async Task A_finished_row_is_kept_for_its_time_and_one_that_waits_for_ever()
    {
        var kept = TimeSpan.FromHours(1);
        await using var store = new CassandraFactStore(keyspace.Settings with { FinishedTtl = kept });
        await store.InitializeAsync(default);
        await using var session = await CassandraServer.ConnectAsync(keyspace.Settings);
        var waiting = Waiting();

        await store.WriteUnmatchedAsync([waiting], default);
        (await LifetimesAsync()).ShouldBe([null, null]);

        await store.WriteUnmatchedAsync([waiting.Become(UnmatchedState.Healed, 2)], default);
        (await LifetimesAsync()).ShouldAllBe(seconds => seconds > kept.TotalSeconds / 2 && seconds <= kept.TotalSeconds);

        async Task<int?[]> LifetimesAsync()
        {
            var rows = await session.QueryAsync(
                $"SELECT TTL(state), TTL(since) FROM {keyspace.Settings.Keyspace}.unmatched_payments WHERE bucket = {UnmatchedStatements.Bucket(waiting.OrderId)} AND order_id = {waiting.OrderId}",
                default);
            rows.Next().ShouldBeTrue();
            return [(int?)rows.Value(0), (int?)rows.Value(1)];
        }
    }

    [SkippableFact]
    public async Task The_longest_lifetime_is_what_Cassandra_takes_at_most()
    {
        await using var store = new CassandraFactStore(keyspace.Settings with { FinishedTtl = TimeSpan.MaxValue });
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([Waiting().Become(UnmatchedState.Healed, 2)], default);
    }

    private static UnmatchedPayment Waiting() => new()
    {
        OrderId = Random.Shared.NextInt64(1L << 40),
        PaymentKey = "1",
        Data = new byte[10],
        PublishTimeMicros = 1,
        MessageId = "1",
        Subscription = "payments_data-sub",
        Reason = DeadLetterReason.NoMatchingOrder,
        State = UnmatchedState.Waiting,
        SinceMicros = 1,
        ChangedMicros = 1,
    };

    private sealed class ShiftedClock(TimeSpan shift) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + shift;
    }
}
