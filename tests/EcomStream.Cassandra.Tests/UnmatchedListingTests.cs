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
        (await store.ListUnjoinedAsync(default).AnyAsync(row => row.OrderId == 8)).ShouldBeTrue();
        log.Lines.ShouldContain(line => line.StartsWith("Error", StringComparison.Ordinal) && line.Contains("order_id 7, payment_key '1'", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Finished_rows_are_left_out_by_the_server_when_unjoined_payments_are_listed()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 500).Select(id => RefusalTests.Unmatched(id, 1, UnmatchedState.Healed))], default);
        await store.WriteUnmatchedAsync(
            [
                RefusalTests.Unmatched(1_000, 1), RefusalTests.Unmatched(1_001, 1, UnmatchedState.DeadLettered),
                RefusalTests.Unmatched(1_002, 1, UnmatchedState.Discarded),
            ],
            default);
        var before = _client.RowsReturned;

        (await store.ListUnjoinedAsync(default).Select(row => row.OrderId).Order().ToListAsync()).ShouldBe([1_000, 1_001, 1_002]);

        (_client.RowsReturned - before).ShouldBe(3);
    }

    [Fact]
    public async Task Where_the_server_forbids_filtering_all_rows_are_read_instead()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync(
            [
                RefusalTests.Unmatched(1, 1), RefusalTests.Unmatched(2, 1, UnmatchedState.DeadLettered), RefusalTests.Unmatched(3, 1, UnmatchedState.Healed),
                RefusalTests.Unmatched(4, 1, UnmatchedState.Discarded),
            ],
            default);
        _client.Refuse = (statement, _) => statement.IsFiltering ? "Guardrail allow_filtering violated: Querying with ALLOW FILTERING is not allowed" : null;

        (await store.ListUnjoinedAsync(default).Select(row => row.OrderId).Order().ToListAsync()).ShouldBe([1, 2, 4]);
        (await store.ListUnjoinedAsync(default).Select(row => row.OrderId).Order().ToListAsync()).ShouldBe([1, 2, 4]);
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
    public async Task A_page_costs_a_small_read_of_each_bucket_however_many_rows_there_are()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 10_000).Select(id => RefusalTests.Unmatched(id, 1) with { PublishTimeMicros = id })], default);
        foreach (var (query, first) in new[]
        {
            (new UnmatchedQuery { Limit = 50 }, 0L),
            (new UnmatchedQuery { Limit = 50, States = [UnmatchedState.Waiting], After = new UnmatchedCursor(5_000, 5_000, "1") }, 5_001),
            (new UnmatchedQuery { Limit = 50, NewestFirst = true, PublishedUntilMicros = 7_000 }, 7_000),
        })
        {
            var before = _client.RowsReturned;
            var page = await store.ListUnmatchedAsync(query, default).ToListAsync();

            page.Select(row => row.PublishTimeMicros).ShouldBe(Enumerable.Range(0, 50).Select(n => first + (query.NewestFirst ? -n : n)));
            (_client.RowsReturned - before).ShouldBeLessThan(4 * UnmatchedStatements.Buckets);
        }

        (await store.ListUnmatchedAsync(new UnmatchedQuery { States = [UnmatchedState.Healed] }, default).AnyAsync()).ShouldBeFalse();
    }

    [Fact]
    public async Task A_row_is_listed_once_where_it_is_now_and_its_former_entries_are_deleted()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        var waiting = RefusalTests.Unmatched(5, 1).Become(UnmatchedState.Waiting, 1);
        var dead = waiting.Become(UnmatchedState.DeadLettered, 2);
        var superseded = (dead with { Reason = DeadLetterReason.Superseded }).Become(UnmatchedState.DeadLettered, 3);
        foreach (var row in new[] { waiting, dead, superseded, superseded.Become(UnmatchedState.Discarded, 4) })
        {
            await store.WriteUnmatchedAsync([row], default);

            foreach (var state in Enum.GetValues<UnmatchedState>())
            {
                (await store.ListUnmatchedAsync(new UnmatchedQuery { States = [state] }, default).CountAsync()).ShouldBe(state == row.State ? 1 : 0);
            }

            (await store.ListUnmatchedAsync(new UnmatchedQuery { Reasons = [row.Reason] }, default).CountAsync()).ShouldBe(1);
            Entries().ShouldBe(["all", $"{row.State.ToText()}/{row.Reason.ToAttribute()}"]);
        }

        // A newer message of the payment has another publish time: its former entries are found to be old when the row is read.
        await store.WriteUnmatchedAsync([dead with { PublishTimeMicros = dead.PublishTimeMicros + 1 }], default);
        (await store.ListUnmatchedAsync(new UnmatchedQuery(), default).ToListAsync()).ShouldHaveSingleItem().PublishTimeMicros.ShouldBe(dead.PublishTimeMicros + 1);
        (await store.ListUnmatchedAsync(new UnmatchedQuery { Limit = 1 }, default).ToListAsync()).ShouldHaveSingleItem();

        List<string> Entries() =>
            [.. _client.Table($"{Table}_by_time").Rows().Select(row => Encoding.UTF8.GetString(row("kind")!.Value!)).Where(kind => kind != "complete").Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task A_row_that_changes_while_its_order_is_listed_is_in_the_listing()
    {
        await using var store = InMemoryStores.Create(_client);
        await store.InitializeAsync(default);
        var row = RefusalTests.Unmatched(5, 1).Become(UnmatchedState.Waiting, 1);
        await store.WriteUnmatchedAsync([row], default);

        // A newer message arrives between any two reads.
        var isWriting = false;
        _client.Refuse = (statement, _) =>
        {
            if (statement.Kind == "SELECT" && !isWriting)
            {
                isWriting = true;
                row = row with { PublishTimeMicros = row.PublishTimeMicros + 1 };
                store.WriteUnmatchedAsync([row], default).AsTask().GetAwaiter().GetResult();
                isWriting = false;
            }

            return null;
        };
        (await store.ListUnmatchedAsync(new UnmatchedQuery { OrderId = 5 }, default).ToListAsync()).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Rows_that_were_there_before_the_listing_are_listed_by_reading_all_and_get_their_entries_when_it_is_made()
    {
        using var log = new LogLines();
        await using (var first = InMemoryStores.Create(_client))
        {
            await first.InitializeAsync(default);
        }

        _client.Drop($"{Table}_by_time");
        await using (var earlier = InMemoryStores.Create(_client, InMemoryStores.Settings with { CreateSchema = false }))
        {
            await earlier.InitializeAsync(default);
            await earlier.WriteUnmatchedAsync([.. Enumerable.Range(0, 700).Select(id => RefusalTests.Unmatched(id, 1) with { PublishTimeMicros = 1_000 - id })], default);
            (await earlier.ListUnmatchedAsync(new UnmatchedQuery { Limit = 3 }, default).Select(row => row.OrderId).ToListAsync()).ShouldBe([699, 698, 697]);
        }

        await using var store = InMemoryStores.Create(_client, loggers: log);
        await store.InitializeAsync(default);
        log.Lines.ShouldContain(line => line.Contains("700 unmatched payments that were there before are listed", StringComparison.Ordinal));
        var before = _client.RowsReturned;
        (await store.ListUnmatchedAsync(new UnmatchedQuery { Limit = 3 }, default).Select(row => row.OrderId).ToListAsync()).ShouldBe([699, 698, 697]);
        (_client.RowsReturned - before).ShouldBeLessThan(600);

        // A change after that removes the entry that was made for the row.
        var row = RefusalTests.Unmatched(699, 1) with { PublishTimeMicros = 301 };
        await store.WriteUnmatchedAsync([row.Become(UnmatchedState.Waiting, 1).Become(UnmatchedState.Healed, 2)], default);
        (await store.ListUnmatchedAsync(new UnmatchedQuery { States = [UnmatchedState.Waiting] }, default).CountAsync()).ShouldBe(699);
        (await store.ListUnmatchedAsync(new UnmatchedQuery { States = [UnmatchedState.Healed] }, default).CountAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task Entries_of_finished_rows_that_were_there_before_expire_no_later_than_Cassandra_can_tell()
    {
        var settings = InMemoryStores.Settings with { FinishedTtl = CassandraSettings.LongestTtl };
        await using (var first = InMemoryStores.Create(_client, settings))
        {
            await first.InitializeAsync(default);
            await first.WriteUnmatchedAsync([RefusalTests.Unmatched(5, 1, UnmatchedState.Healed)], default);
        }

        _client.Drop($"{Table}_by_time");
        var latest = 0;
        _client.Refuse = (statement, values) =>
        {
            if (values.TryGetValue(InMemoryStatement.Ttl, out var ttl) && statement.Table.EndsWith("_by_time", StringComparison.Ordinal))
            {
                latest = Math.Max(latest, System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(ttl));
            }

            return null;
        };
        await using var store = InMemoryStores.Create(_client, settings);
        await store.InitializeAsync(default);

        latest.ShouldBeGreaterThan(0);
        DateTimeOffset.UtcNow.AddSeconds(latest).ShouldBeLessThan(new DateTimeOffset(2038, 1, 19, 3, 14, 7, TimeSpan.Zero));
    }

    [Fact]
    public async Task A_role_that_may_not_write_the_listing_writes_and_lists_rows_without_it()
    {
        await using (var first = InMemoryStores.Create(_client))
        {
            await first.InitializeAsync(default);
        }

        using var log = new LogLines();
        _client.Refuse = (statement, _) => statement.Table.EndsWith("_by_time", StringComparison.Ordinal) && statement.Kind != "SELECT" ? "no MODIFY permission" : null;
        await using var store = InMemoryStores.Create(_client, loggers: log);
        await store.InitializeAsync(default);
        log.Lines.ShouldContain(line => line.Contains("are listed by reading all of them", StringComparison.Ordinal));
        await store.WriteUnmatchedAsync([RefusalTests.Unmatched(5, 1)], default);
        (await store.ListUnmatchedAsync(new UnmatchedQuery(), default).ToListAsync()).ShouldHaveSingleItem().OrderId.ShouldBe(5);
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

        (await store.ListUnjoinedAsync(default).CountAsync()).ShouldBe(2_000);

        await using var larger = InMemoryStores.Create(_client, InMemoryStores.Settings with { PageSize = 1_000 });
        await larger.InitializeAsync(default);
        (await Should.ThrowAsync<StoreUnavailableException>(async () => await larger.ListUnjoinedAsync(default).CountAsync())).Message.ShouldContain("page_size");
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
