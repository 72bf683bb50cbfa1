using EcomStream.Core;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Sqlite.Tests;

public sealed class UnmatchedRowsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero));

    private long NowMicros => _time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000;

    [Fact]
    public async Task Finished_rows_expire_and_those_that_an_order_would_heal_never_do()
    {
        await using var store = await Open();
        await store.WriteUnmatchedAsync(
            [
                Row(1, UnmatchedState.Waiting, DeadLetterReason.NoMatchingOrder),
                Row(2, UnmatchedState.DeadLettered, DeadLetterReason.NoMatchingOrder),
                Row(3, UnmatchedState.DeadLettered, DeadLetterReason.Superseded),
                Row(4, UnmatchedState.Healed, DeadLetterReason.NoMatchingOrder),
                Row(5, UnmatchedState.Discarded, DeadLetterReason.NoMatchingOrder),
            ],
            default);
        _time.Advance(TimeSpan.FromDays(29));
        await store.WriteUnmatchedAsync([Row(6, UnmatchedState.Healed, DeadLetterReason.NoMatchingOrder)], default);
        (await Orders(store)).ShouldBe([1, 2, 3, 4, 5, 6]);

        _time.Advance(TimeSpan.FromDays(2));
        await store.WriteUnmatchedAsync([Row(7, UnmatchedState.Waiting, DeadLetterReason.NoMatchingOrder)], default);
        (await Orders(store)).ShouldBe([1, 2, 6, 7]);
    }

    [Fact]
    public async Task A_backlog_of_expired_rows_is_deleted_without_a_pause()
    {
        await using var store = await Open();
        await store.WriteUnmatchedAsync([.. Enumerable.Range(0, 17_000).Select(id => Row(id, UnmatchedState.Healed, DeadLetterReason.NoMatchingOrder))], default);
        _time.Advance(TimeSpan.FromDays(31));

        for (var write = 0; write < 4; write++)
        {
            await store.WriteUnmatchedAsync([Row(20_000, UnmatchedState.Waiting, DeadLetterReason.NoMatchingOrder)], default);
        }

        (await Orders(store)).ShouldBe([20_000]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_page_of_what_an_order_would_heal_is_read_by_key_and_sorts_nothing(bool continues)
    {
        await using var store = await Open();
        var plan = Plan(UnmatchedTable.UnjoinedPageSql(continues), parameters: 3);

        // With a million dead letters, pages that sort made a start take a quarter of an hour.
        plan.ShouldNotBeEmpty();
        plan.ShouldAllBe(step => !step.Contains("TEMP B-TREE", StringComparison.Ordinal) && !step.Contains("by_state", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, false, "by_state")]
    [InlineData(true, true, "by_state")]
    [InlineData(false, false, "by_reason", DeadLetterReason.Superseded)]
    [InlineData(true, true, "by_reason", DeadLetterReason.Superseded, DeadLetterReason.NoMatchingOrder)]
    public async Task A_page_of_a_listing_reads_only_its_own_rows_and_sorts_nothing(
        bool continues, bool newestFirst, string index, params DeadLetterReason[] reasons)
    {
        await using var store = await Open();
        var query = new UnmatchedQuery { Reasons = reasons, NewestFirst = newestFirst };
        var searches = Plan(UnmatchedTable.PageSql(query, continues), parameters: 7)
            .Where(step => step.Contains("unmatched_payments", StringComparison.Ordinal)).ToList();

        // Of a million rows of which three had the wanted reason, a page took 0.7 s of CPU.
        searches.Count.ShouldBe(4 * Math.Max(1, reasons.Length));
        searches.ShouldAllBe(step => step.Contains($"INDEX unmatched_payments_{index} (", StringComparison.Ordinal));
        Plan(UnmatchedTable.PageSql(query, continues), parameters: 7).ShouldAllBe(step => !step.Contains("TEMP B-TREE", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("reason")]
    [InlineData("state")]
    public async Task A_row_that_cannot_be_decoded_is_skipped(string column)
    {
        await using var store = await Open();
        await store.WriteUnmatchedAsync([.. Enumerable.Range(1, 2_500).Select(id => Row(id, UnmatchedState.Waiting, DeadLetterReason.NoMatchingOrder))], default);
        await using (var connection = new SqliteConnection($"Data Source={_folder.File("ecomstream.db")};Pooling=False"))
        {
            connection.Open();
            var update = connection.CreateCommand();
            update.CommandText = $"UPDATE unmatched_payments SET {column} = 'unknown' WHERE order_id = 7";
            update.ExecuteNonQuery();
        }

        (await store.ReadUnmatchedAsync([7, 8], default)).ShouldHaveSingleItem().OrderId.ShouldBe(8);
        (await Orders(store)).Count.ShouldBe(2_499);
        (await store.ListUnjoinedAsync(default).AnyAsync(row => row.OrderId == 8)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_file_of_an_earlier_version_gets_the_newer_columns_and_keeps_its_rows()
    {
        await using (var connection = new SqliteConnection($"Data Source={_folder.File("ecomstream.db")};Pooling=False"))
        {
            connection.Open();
            var create = connection.CreateCommand();
            create.CommandText = """
                CREATE TABLE unmatched_payments (
                    order_id INTEGER NOT NULL, payment_key TEXT NOT NULL, data BLOB NOT NULL, publish_time INTEGER NOT NULL,
                    message_id TEXT NOT NULL, subscription TEXT NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL,
                    since INTEGER NOT NULL, changed INTEGER NOT NULL, detail TEXT NOT NULL, replays INTEGER NOT NULL,
                    PRIMARY KEY (order_id, payment_key)) WITHOUT ROWID;
                INSERT INTO unmatched_payments VALUES (1, '11', x'7b7d', 5, '6', 'payments_data-sub', 'no-matching-order', 'waiting', 7, 8, 'd', 0);
                """;
            create.ExecuteNonQuery();
        }

        await using var store = await Open();
        var row = (await store.ReadUnmatchedAsync([1], default)).ShouldHaveSingleItem();
        row.AttributesJson.ShouldBe(MessageAttributes.None);
        row.History.ShouldBe("");
        await store.WriteUnmatchedAsync([row.Become(UnmatchedState.Healed, NowMicros, "joined")], default);
        (await store.ReadUnmatchedAsync([1], default)).Single().History.ShouldBe("2026-11-24T12:00:00.000000Z healed joined");
    }

    public void Dispose() => _folder.Dispose();

    private List<string> Plan(string statement, int parameters)
    {
        using var connection = new SqliteConnection($"Data Source={_folder.File("ecomstream.db")};Pooling=False");
        connection.Open();
        using var explain = connection.CreateCommand();
        explain.CommandText = $"EXPLAIN QUERY PLAN {statement}";
        for (var n = 1; n <= parameters; n++)
        {
            explain.Parameters.AddWithValue($"?{n}", 1);
        }

        var plan = new List<string>();
        using var reader = explain.ExecuteReader();
        while (reader.Read())
        {
            plan.Add(reader.GetString(3));
        }

        return plan;
    }

    private async Task<SqliteFactStore> Open()
    {
        var store = new SqliteFactStore(new SqliteSettings(_folder.File("ecomstream.db")), _time);
        await store.InitializeAsync(default);
        return store;
    }

    private static async Task<List<long>> Orders(SqliteFactStore store) =>
        await store.ListUnmatchedAsync(new UnmatchedQuery(), default).Select(row => row.OrderId).ToListAsync();

    private UnmatchedPayment Row(long orderId, UnmatchedState state, DeadLetterReason reason) => new()
    {
        OrderId = orderId,
        PaymentKey = "1",
        Data = "{}"u8.ToArray(),
        PublishTimeMicros = orderId,
        MessageId = "1",
        Subscription = "payments_data-sub",
        Reason = reason,
        State = state,
        SinceMicros = NowMicros,
        ChangedMicros = NowMicros,
    };
}
