using System.Text;
using EcomStream.Cassandra.Tables;
using EcomStream.Cassandra.Tests.InMemory;
using EcomStream.Core;
using EcomStream.Cql.TestSupport;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Cassandra.Tests;

/// <summary>How unmatched rows are listed: what is read, what is kept in memory, and what is skipped.</summary>
public sealed class UnmatchedListingTests
{
    private const string Table = "ecom_store.unmatched_payments";

    private readonly InMemoryClient _client = new(TimeProvider.System);

    [Theory]
    [InlineData("state", "parked")]
    [InlineData("reason", "because")]
    [InlineData("changed", null)]
    [InlineData("replays", null)]
    public async Task A_row_that_cannot_be_decoded_is_skipped_and_its_key_logged(string column, string? text)
    {
        using var log = new LogLines();
        await using var store = InMemoryStores.Create(_client, loggers: log);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([RefusalTests.Unmatched(7, 1), RefusalTests.Unmatched(8, 1)], default);
        _client.Table(Table).Write(
            new Dictionary<string, byte[]?>
            {
                ["bucket"] = InMemoryCells.Of(new BucketOnly(UnmatchedStatements.Bucket(7)))[0] as byte[],
                ["order_id"] = InMemoryCells.Bytes(7),
                ["payment_key"] = "1"u8.ToArray(),
                [column] = text is null ? null : Encoding.UTF8.GetBytes(text),
            },
            InMemoryStores.Now + 10_000_000,
            ttl: 0,
            isInsert: false);

        (await store.ReadUnmatchedAsync([7, 8], default)).ShouldHaveSingleItem().OrderId.ShouldBe(8);
        (await store.ListUnmatchedAsync(new UnmatchedQuery(), default).ToListAsync()).ShouldHaveSingleItem().OrderId.ShouldBe(8);
        (await store.ListHealableAsync(default).AnyAsync(row => row.OrderId == 8)).ShouldBeTrue();
        log.Lines.ShouldContain(line => line.StartsWith("Error", StringComparison.Ordinal) && line.Contains("order_id 7, payment_key '1'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Finished_rows_are_left_out_by_the_server_when_healable_ones_are_listed()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 500).Select(id => RefusalTests.Unmatched(id, 1, UnmatchedState.Healed))], default);
        await store.WriteUnmatchedAsync([RefusalTests.Unmatched(1_000, 1), RefusalTests.Unmatched(1_001, 1, UnmatchedState.DeadLettered)], default);
        var before = _client.RowsReturned;

        (await store.ListHealableAsync(default).Select(row => row.OrderId).Order().ToListAsync()).ShouldBe([1_000, 1_001]);

        (_client.RowsReturned - before).ShouldBe(2);
    }

    [Fact]
    public async Task Where_the_server_forbids_filtering_all_rows_are_read_instead()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync(
            [RefusalTests.Unmatched(1, 1), RefusalTests.Unmatched(2, 1, UnmatchedState.DeadLettered), RefusalTests.Unmatched(3, 1, UnmatchedState.Healed)], default);
        _client.Refuse = (statement, _) => statement.IsFiltering ? "Guardrail allow_filtering violated: Querying with ALLOW FILTERING is not allowed" : null;

        (await store.ListHealableAsync(default).Select(row => row.OrderId).Order().ToListAsync()).ShouldBe([1, 2]);
        (await store.ListHealableAsync(default).Select(row => row.OrderId).Order().ToListAsync()).ShouldBe([1, 2]);
    }

    [Fact]
    public async Task A_listing_of_more_rows_than_it_keeps_keys_of_is_whole_and_in_order()
    {
        await using var store = new CassandraFactStore(InMemoryStores.Settings, _ => Task.FromResult<Seam.ICqlClient>(_client)) { MaxListedKeys = 40 };
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 250).Select(id => RefusalTests.Unmatched(id, 1) with { PublishTimeMicros = 1_000 - (id / 3) })], default);

        var rows = await store.ListUnmatchedAsync(new UnmatchedQuery(), default).ToListAsync();

        rows.Select(UnmatchedCursor.Of).ShouldBe(rows.Select(UnmatchedCursor.Of).Distinct().Order());
        rows.Count.ShouldBe(250);
        (await store.ListUnmatchedAsync(new UnmatchedQuery { Limit = 90 }, default).CountAsync()).ShouldBe(90);
    }

    [Fact]
    public async Task A_change_loses_against_a_later_write_that_arrives_between_its_read_and_its_write()
    {
        // The clock of the tool is ahead, as it is where the pipeline's write was stamped before the tool's and arrived after it.
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var ahead = new FakeTimeProvider(DateTimeOffset.UtcNow + TimeSpan.FromMinutes(1));
        await using var store = InMemoryStores.Create(_client, time: ahead);
        await using var pipeline = InMemoryStores.Create(_client, time: time);
        await store.InitializeAsync(default);
        await pipeline.InitializeAsync(default);
        var dead = RefusalTests.Unmatched(5, 1, UnmatchedState.DeadLettered);
        await pipeline.WriteUnmatchedAsync([dead], default);
        var healed = dead.Become(UnmatchedState.Healed, dead.ChangedMicros + 1, "joined");

        // The tool has read the row when the pipeline writes it, and its own batch is sent after that.
        var isFirst = true;
        _client.Fail = () =>
        {
            if (isFirst)
            {
                isFirst = false;
                time.Advance(TimeSpan.FromSeconds(1));
                pipeline.WriteUnmatchedAsync([healed], default).AsTask().GetAwaiter().GetResult();
            }

            return null;
        };
        var changed = await store.ChangeUnmatchedAsync(
            [new UnmatchedChange(dead, dead.Become(UnmatchedState.Discarded, dead.ChangedMicros + 2, "refunded"))], default);

        isFirst.ShouldBeFalse();
        changed.ShouldBe([false]);
        (await store.ReadUnmatchedAsync([5], default)).ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Healed);
    }

    [Fact]
    public async Task Counting_reads_each_key_once()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 500).Select(id => RefusalTests.Unmatched(id, 1))], default);

        var before = _client.RowsReturned;
        (await store.CountUnmatchedAsync(new UnmatchedQuery(), default)).ShouldHaveSingleItem().Rows.ShouldBe(500);
        (_client.RowsReturned - before).ShouldBe(500);
    }

    [Fact]
    public async Task The_page_size_is_a_setting()
    {
        _client.MaxPageSize = 500;
        await using var store = InMemoryStores.Create(_client, InMemoryStores.Settings with { PageSize = 500 });
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 2_000).Select(id => RefusalTests.Unmatched(id, 1))], default);

        (await store.ListHealableAsync(default).CountAsync()).ShouldBe(2_000);

        await using var larger = InMemoryStores.Create(_client, InMemoryStores.Settings with { PageSize = 1_000 });
        await larger.InitializeAsync(default);
        (await Should.ThrowAsync<StoreUnavailableException>(async () => await larger.ListHealableAsync(default).CountAsync())).Message.ShouldContain("page_size");
    }

    [Fact]
    public async Task Since_has_a_write_timestamp_in_the_past_and_a_delete_at_the_current_time_removes_the_whole_row()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        var row = RefusalTests.Unmatched(5, 1);
        row = row with { SinceMicros = InMemoryStores.Now, ChangedMicros = InMemoryStores.Now };
        await store.WriteUnmatchedAsync([row.Become(UnmatchedState.Waiting, row.SinceMicros)], default);
        var key = new Dictionary<string, byte[]?>
        {
            ["bucket"] = InMemoryCells.Of(new BucketOnly(UnmatchedStatements.Bucket(5)))[0] as byte[],
            ["order_id"] = InMemoryCells.Bytes(5),
            ["payment_key"] = "1"u8.ToArray(),
        };
        _client.Table(Table).Rows().ShouldHaveSingleItem()("since")!.Timestamp.ShouldBeLessThan(InMemoryStores.Now);

        var written = _client.Table(Table).Rows().Single()("state")!.Timestamp;
        written.ShouldBeLessThanOrEqualTo(InMemoryStores.Now);
        _client.Table(Table).Delete(key, written);
        _client.Table(Table).Rows().ShouldBeEmpty();

        // Written again later, since comes from the first line of the history, as the deletion hides its column.
        var again = row.Become(UnmatchedState.Waiting, row.SinceMicros).Become(UnmatchedState.DeadLettered, row.SinceMicros + 5_000_000);
        await store.WriteUnmatchedAsync([again], default);
        (await store.ReadUnmatchedAsync([5], default)).ShouldHaveSingleItem().SinceMicros.ShouldBe(row.SinceMicros);
    }
}
