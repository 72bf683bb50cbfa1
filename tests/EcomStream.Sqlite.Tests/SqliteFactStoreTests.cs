using System.Globalization;
using EcomStream.Core;
using EcomStream.TestSupport;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite.Tests;

public sealed class SqliteFactStoreTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<SqliteFactStore> _stores = [];

    private string Database => _folder.File("ecomstream.db");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var store in _stores)
        {
            await store.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task A_clean_stop_is_recorded_for_its_subscription_and_taken_once()
    {
        var store = await Open();
        (await store.TakeCleanStopAsync("a", default)).ShouldBeFalse();
        await store.SetCleanStopAsync("a", default);
        await store.SetCleanStopAsync("a", default);
        await store.DisposeAsync();

        var again = await Open();
        (await again.TakeCleanStopAsync("b", default)).ShouldBeFalse();
        (await again.TakeCleanStopAsync("a", default)).ShouldBeTrue();
        (await again.TakeCleanStopAsync("a", default)).ShouldBeFalse();
    }

    [Fact]
    public async Task The_facts_table_has_exactly_the_columns_that_other_readers_know()
    {
        await Open();

        using var other = OtherProgram();
        var columns = Query(other, "SELECT name || ' ' || type || ' ' || pk FROM pragma_table_info('orders_payments_facts')");

        columns.ShouldBe(
        [
            "order_id INTEGER 1", "customer_id INTEGER 0", "item TEXT 0", "quantity INTEGER 0", "price REAL 0",
            "shipping_address TEXT 0", "order_status TEXT 0", "creation_date TEXT 0", "payment_id INTEGER 0",
            "payment_method TEXT 0", "card_last_four TEXT 0", "payment_status TEXT 0", "payment_datetime TEXT 0",
        ]);
    }

    [Fact]
    public async Task Another_program_reads_the_columns_while_a_transaction_is_open_and_after_it()
    {
        var store = await Open();
        using var other = OtherProgram();
        using var reading = other.BeginTransaction(deferred: true);
        Query(other, "SELECT count(*) FROM orders_payments_facts").ShouldBe(["0"]);

        await store.WriteAsync([Order(1)], default);

        Query(other, "SELECT count(*) FROM orders_payments_facts").ShouldBe(["0"]);
        reading.Commit();
        Query(other, "SELECT item || ' ' || quantity || ' ' || typeof(price) FROM orders_payments_facts").ShouldBe(["Lamp 2 real"]);
    }

    [Fact]
    public async Task Rows_of_another_program_have_the_sides_whose_columns_are_set_with_the_oldest_stamp()
    {
        var store = await Open();
        using (var other = OtherProgram())
        {
            Execute(other, "INSERT INTO orders_payments_facts (order_id, item) VALUES (1, 'Lamp')");
            Execute(other, "INSERT INTO orders_payments_facts (order_id, payment_id) VALUES (2, 1002)");
        }

        var rows = await store.ReadAsync([1, 2], default);
        rows[0].ShouldBe(new OrderFact(1, new Order { OrderId = 1, Item = "Lamp" }, Stamp.None, null, Stamp.None));
        rows[1].ShouldBe(new OrderFact(2, null, Stamp.None, new Payment { OrderId = 2, PaymentId = 1002 }, Stamp.None));

        (await store.WriteAsync([Order(1), Payment(2, 7) with { PaymentGuarded = true }], default)).ShouldBe([2]);
        (await store.ReadAsync([1], default))[0]!.OrderStamp.ShouldBe(new Stamp(10));
    }

    [Fact]
    public async Task Writes_are_unavailable_while_another_program_holds_the_write_lock_and_work_after_it()
    {
        var store = await Open(new SqliteSettings(Database) { BusyTimeout = TimeSpan.FromSeconds(1) });
        using var other = OtherProgram();
        Execute(other, "BEGIN IMMEDIATE");

        var failure = await Should.ThrowAsync<StoreUnavailableException>(async () => await store.WriteAsync([Order(1)], default));
        failure.Message.ShouldContain(Database);
        failure.Message.ShouldContain("lock");
        (await store.ReadAsync([1], default))[0].ShouldBeNull();

        Execute(other, "COMMIT");
        await store.WriteAsync([Order(1)], default);
        (await store.ReadAsync([1], default))[0].ShouldNotBeNull();
    }

    [Fact]
    public async Task A_batch_that_fails_half_way_leaves_nothing_and_the_next_one_lands()
    {
        var store = await Open();
        using (var other = OtherProgram())
        {
            Execute(other, "CREATE TRIGGER full BEFORE INSERT ON orders_payments_facts WHEN new.order_id = 2 BEGIN SELECT RAISE(ABORT, 'no'); END");
        }

        await Should.ThrowAsync<StoreRejectedException>(async () => await store.WriteAsync([Order(1), Order(2)], default));
        (await store.ReadAsync([1], default))[0].ShouldBeNull();

        await store.WriteAsync([Order(1), Order(3)], default);
        (await store.ReadAsync([1, 3], default)).ShouldAllBe(row => row != null);
    }

    [Fact]
    public async Task A_constraint_that_refuses_every_row_rejects_none()
    {
        var store = await Open();
        await store.WriteAsync([Order(1)], default);
        using var other = OtherProgram();
        Execute(other, "CREATE TRIGGER full BEFORE INSERT ON orders_payments_facts BEGIN SELECT RAISE(ABORT, 'not now'); END");

        (await Should.ThrowAsync<StoreUnavailableException>(async () => await store.WriteAsync([Order(2)], default))).Message.ShouldContain("not now");
        await Should.ThrowAsync<StoreUnavailableException>(async () => await store.WriteAsync([Order(2), Order(3)], default));

        Execute(other, "DROP TRIGGER full");
        Execute(other, "CREATE TRIGGER full BEFORE INSERT ON orders_payments_facts WHEN new.order_id = 2 BEGIN SELECT RAISE(ABORT, 'not this one'); END");
        (await Should.ThrowAsync<StoreRejectedException>(async () => await store.WriteAsync([Order(2)], default))).Message.ShouldContain("not this one");
    }

    [Fact]
    public async Task A_damaged_file_rejects_no_row()
    {
        var store = await Open();
        await store.WriteAsync([.. Enumerable.Range(1, 5_000).Select(id => Order(id))], default);
        using (var other = OtherProgram())
        {
            Execute(other, "PRAGMA wal_checkpoint(TRUNCATE)");
        }

        await using (var file = new FileStream(Database, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            // Every page but the first one.
            file.Position = 4_096;
            await file.WriteAsync(new byte[file.Length - 4_096]);
        }

        using (var other = OtherProgram())
        {
            // Makes the other connections read the pages anew.
            Should.Throw<SqliteException>(() => Execute(other, "INSERT INTO orders_payments_facts (order_id) VALUES (9999)")).SqliteErrorCode.ShouldBe(11);
        }

        await store.DisposeAsync();
        var damaged = await Should.ThrowAsync<Exception>(async () =>
        {
            var again = await Open();
            await again.WriteAsync([Order(1)], default);
        });
        damaged.Message.ShouldContain("damaged");
        SqliteErrors.Translate(new SqliteException("database disk image is malformed", 11), "Writing to", Database).ShouldBeOfType<StoreUnavailableException>();
        SqliteErrors.AtStart(new SqliteException("database disk image is malformed", 11), Database).ShouldBeOfType<StoreRejectedException>();
    }

    [Fact]
    public async Task Columns_of_another_program_do_not_matter_and_keep_their_values()
    {
        var store = await Open();
        await store.WriteAsync([Order(1)], default);
        using var other = OtherProgram();
        Execute(other, "ALTER TABLE orders_payments_facts ADD COLUMN note TEXT");
        Execute(other, "UPDATE orders_payments_facts SET note = 'keep' WHERE order_id = 1");
        await store.DisposeAsync();

        store = await Open();
        await store.WriteAsync([Order(1) with { OrderStamp = new Stamp(20), Payment = Payment(1, 7).Payment, PaymentStamp = new Stamp(20) }], default);
        Query(other, "SELECT note || ' ' || payment_id FROM orders_payments_facts").ShouldBe(["keep 7"]);
    }

    [Fact]
    public async Task Only_one_process_joins_messages_into_a_file_and_others_read_it()
    {
        var exclusive = new SqliteSettings(Database) { Exclusive = true };
        var store = await Open(exclusive);
        (await Should.ThrowAsync<StoreRejectedException>(async () => await Open(exclusive))).Message.ShouldContain("another process");
        var reading = await Open();
        (await reading.ReadAsync([1], default))[0].ShouldBeNull();

        await store.DisposeAsync();
        await Open(exclusive);
    }

    [Fact]
    public async Task A_file_system_without_a_write_ahead_log_is_refused() =>
        (await Should.ThrowAsync<StoreRejectedException>(async () => await Open(new SqliteSettings(Database) { Vfs = "unix-dotfile" })))
            .Message.ShouldContain("journal_mode");

    [Fact]
    public async Task Calls_that_wait_while_the_store_is_disposed_end()
    {
        var store = await Open();
        var calls = Enumerable.Range(1, 200).Select(id => store.WriteAsync([Order(id)], default).AsTask()).ToList();

        await store.DisposeAsync();

        foreach (var call in calls)
        {
            try
            {
                await call.WaitAsync(TimeSpan.FromSeconds(20));
            }
            catch (ObjectDisposedException)
            {
                // Its turn came after the disposal.
            }
        }
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_rejected_with_its_name_and_what_to_do()
    {
        await File.WriteAllTextAsync(Database, new string('x', 8_192));

        var failure = await Should.ThrowAsync<StoreRejectedException>(async () => await Open());

        failure.Message.ShouldContain(Database);
        failure.Message.ShouldContain("not a SQLite database");
        failure.Message.ShouldNotContain('\n');
        (await File.ReadAllTextAsync(Database)).ShouldBe(new string('x', 8_192));
    }

    [Fact]
    public async Task A_facts_table_with_other_columns_is_rejected_with_their_names()
    {
        using (var other = OtherProgram())
        {
            Execute(other, "CREATE TABLE orders_payments_facts (order_id INTEGER PRIMARY KEY, colour TEXT)");
        }

        var failure = await Should.ThrowAsync<StoreRejectedException>(async () => await Open());

        failure.Message.ShouldNotContain("colour");
        failure.Message.ShouldContain("item is missing");
    }

    [Fact]
    public async Task A_folder_in_the_place_of_the_file_is_rejected()
    {
        Directory.CreateDirectory(Database);

        (await Should.ThrowAsync<StoreRejectedException>(async () => await Open())).Message.ShouldContain("folder");
    }

    [Fact]
    public async Task A_missing_folder_is_made()
    {
        var store = await Open(new SqliteSettings(_folder.File(Path.Combine("a", "b", "ecomstream.db"))));

        await store.WriteAsync([Order(1)], default);
        File.Exists(_folder.File(Path.Combine("a", "b", "ecomstream.db"))).ShouldBeTrue();
    }

    [Fact]
    public async Task Using_a_store_before_it_is_initialized_is_an_error_of_the_caller()
    {
        await using var store = new SqliteFactStore(new SqliteSettings(Database));

        await Should.ThrowAsync<InvalidOperationException>(async () => await store.ReadAsync([1], default));
    }

    [Theory]
    [InlineData(13, typeof(StoreUnavailableException), "full")]
    [InlineData(5, typeof(StoreUnavailableException), "lock")]
    [InlineData(6, typeof(StoreUnavailableException), "lock")]
    [InlineData(10, typeof(StoreUnavailableException), "")]
    [InlineData(14, typeof(StoreUnavailableException), "folder")]
    [InlineData(18, typeof(StoreRejectedException), "")]
    [InlineData(19, typeof(StoreUnavailableException), "")]
    [InlineData(20, typeof(StoreUnavailableException), "")]
    [InlineData(11, typeof(StoreUnavailableException), "damaged")]
    [InlineData(26, typeof(StoreUnavailableException), "not a SQLite database")]
    public void Each_error_of_SQLite_says_whether_to_try_again(int code, Type kind, string says)
    {
        var translated = SqliteErrors.Translate(new SqliteException("no", code), "Writing to", Database);

        translated.ShouldBeOfType(kind);
        translated.Message.ShouldContain(says);
        translated.Message.ShouldContain(Database);
    }

    [Fact]
    public async Task A_full_database_makes_the_store_unavailable_and_loses_nothing()
    {
        var store = await Open();
        await store.WriteAsync([Order(1)], default);
        store.LimitPages(60);

        var written = 0;
        var failure = await Should.ThrowAsync<StoreUnavailableException>(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                await store.WriteAsync([.. Enumerable.Range(0, 100).Select(n => Order(1_000 + (i * 100) + n))], default);
                written++;
            }
        });
        failure.Message.ShouldContain("full");

        store.LimitPages(1_000_000);
        await store.WriteAsync([Order(2)], default);
        (await store.ReadAsync([1, 2, 1_000 + (written * 100)], default)).Select(row => row is not null).ShouldBe([true, true, false]);
    }

    [Fact]
    public async Task The_write_ahead_log_stays_bounded_while_much_is_written()
    {
        var store = await Open();
        for (var batch = 0; batch < 100; batch++)
        {
            await store.WriteAsync([.. Enumerable.Range(0, 1_000).Select(i => Order((batch * 1_000) + i))], default);
        }

        new FileInfo(Database + "-wal").Length.ShouldBeLessThan(64 * 1024 * 1024);
    }

    private async Task<SqliteFactStore> Open(SqliteSettings? settings = null)
    {
        var store = new SqliteFactStore(settings ?? new SqliteSettings(Database));
        _stores.Add(store);
        await store.InitializeAsync(default);
        return store;
    }

    private SqliteConnection OtherProgram()
    {
        var connection = new SqliteConnection($"Data Source={Database};Pooling=False");
        connection.Open();
        return connection;
    }

    private static void Execute(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private static List<string> Query(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        using var rows = command.ExecuteReader();
        var result = new List<string>();
        while (rows.Read())
        {
            result.Add(Convert.ToString(rows.GetValue(0), CultureInfo.InvariantCulture) ?? "");
        }

        return result;
    }

    private static FactWrite Order(long id) => new()
    {
        OrderId = id,
        Order = new Order
        {
            OrderId = id, CustomerId = 3, Item = "Lamp", Quantity = 2, Price = 10.5, ShippingAddress = "1 Main St", OrderStatus = "Shipped",
            CreationDate = "2024-01-21",
        },
        OrderStamp = new Stamp(10),
    };

    private static FactWrite Payment(long id, long paymentId) => new()
    {
        OrderId = id, Payment = new Payment { OrderId = id, PaymentId = paymentId, PaymentMethod = "Cash" }, PaymentStamp = new Stamp(10),
    };
}
