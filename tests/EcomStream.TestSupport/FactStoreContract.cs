using System.Text;
using EcomStream.Core;

namespace EcomStream.TestSupport;

/// <summary>What every <see cref="IFactStore"/> promises. A store's test project subclasses it and makes the stores.</summary>
public abstract class FactStoreContract : IAsyncLifetime
{
    private IFactStore? _store;

    /// <summary>The store under test; initialized, and with no rows of the orders that the test uses.</summary>
    protected IFactStore Store => _store ?? throw new InvalidOperationException("The test has not started.");

    /// <summary>Order ids from here on belong to the test alone; the suite uses at most 100,000 of them.</summary>
    protected virtual long FirstOrderId => 1;

    /// <summary>Whether every test begins with an empty store, so that listings can be compared as a whole.</summary>
    protected virtual bool StartsEmpty => true;

    /// <summary>Makes a store, not yet initialized.</summary>
    protected abstract Task<IFactStore> CreateAsync();

    /// <summary>Makes another store over what <see cref="Store"/> has written, or null where it keeps nothing.</summary>
    protected abstract Task<IFactStore?> ReopenAsync();

    /// <summary>
    /// Another program inserts an order as the public scripts do: every column at the current time, with null in those of the
    /// payment.
    /// </summary>
    protected abstract Task ScriptInsertsAsync(Order order);

    /// <summary>Another program deletes a row at the current time.</summary>
    protected abstract Task ScriptDeletesAsync(long orderId);

    public virtual async Task InitializeAsync()
    {
        _store = await CreateAsync();
        await Store.InitializeAsync(default);
    }

    public virtual async Task DisposeAsync()
    {
        if (_store is not null)
        {
            await _store.DisposeAsync();
        }
    }

    [SkippableFact]
    public async Task An_order_that_was_never_written_is_null()
    {
        await Write(OrderWrite(1, stamp: 10));

        var rows = await Store.ReadAsync([Id(1), Id(2)], default);

        rows.Count.ShouldBe(2);
        rows[0].ShouldNotBeNull();
        rows[1].ShouldBeNull();
    }

    [SkippableFact]
    public async Task Reading_and_writing_nothing_does_nothing()
    {
        (await Store.WriteAsync([], default)).ShouldBeEmpty();
        await Store.WriteUnmatchedAsync([], default);
        (await Store.ReadAsync([], default)).ShouldBeEmpty();
        (await Store.ReadUnmatchedAsync([], default)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task Initializing_twice_keeps_the_rows()
    {
        await Write(OrderWrite(1, stamp: 10));

        await Store.InitializeAsync(default);

        (await Read(1)).ShouldNotBeNull();
    }

    [SkippableFact]
    public async Task Every_column_and_stamp_comes_back_as_written()
    {
        await Write(new FactWrite
        {
            OrderId = Id(1),
            Order = Order(1),
            OrderStamp = new Stamp(1_700_000_000_000_001),
            Payment = Payment(1, 1001),
            PaymentStamp = new Stamp(1_700_000_000_000_002),
        });

        (await Read(1)).ShouldBe(new OrderFact(
            Id(1), Order(1), new Stamp(1_700_000_000_000_001), Payment(1, 1001), new Stamp(1_700_000_000_000_002)));
    }

    [SkippableFact]
    public async Task Rows_come_back_in_the_order_of_the_ids_and_once_per_id_asked_for()
    {
        await Write(OrderWrite(1, stamp: 10), OrderWrite(2, stamp: 10), OrderWrite(3, stamp: 10));

        var rows = await Store.ReadAsync([Id(3), Id(1), Id(9), Id(3), Id(2)], default);

        rows.Select(row => row?.OrderId).ShouldBe([Id(3), Id(1), null, Id(3), Id(2)]);
    }

    [SkippableFact]
    public async Task The_two_sides_may_be_written_apart_and_in_either_order()
    {
        await Write(OrderWrite(1, stamp: 10), PaymentWrite(2, 1002, stamp: 20));
        await Write(PaymentWrite(1, 1001, stamp: 5), OrderWrite(2, stamp: 7));

        (await Read(1)).ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(10), Payment(1, 1001), new Stamp(5)));
        (await Read(2)).ShouldBe(new OrderFact(Id(2), Order(2), new Stamp(7), Payment(2, 1002), new Stamp(20)));
    }

    [SkippableFact]
    public async Task A_row_with_one_side_has_no_other()
    {
        await Write(OrderWrite(1, stamp: 10), PaymentWrite(2, 1002, stamp: 20));

        var order = (await Read(1)).ShouldNotBeNull();
        order.Payment.ShouldBeNull();
        order.PaymentStamp.ShouldBe(Stamp.None);
        var payment = (await Read(2)).ShouldNotBeNull();
        payment.Order.ShouldBeNull();
        payment.OrderStamp.ShouldBe(Stamp.None);
    }

    [SkippableFact]
    public async Task An_order_that_is_redelivered_never_wipes_its_payment()
    {
        await Write(OrderWrite(1, stamp: 10));
        await Write(PaymentWrite(1, 1001, stamp: 20));

        await Write(OrderWrite(1, stamp: 10));

        (await Read(1)).ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(10), Payment(1, 1001), new Stamp(20)));
    }

    [SkippableFact]
    public async Task A_newer_side_replaces_every_one_of_its_columns_and_no_other()
    {
        await Write(OrderWrite(1, stamp: 10), PaymentWrite(2, 1002, stamp: 10));
        await Write(PaymentWrite(1, 1001, stamp: 10), OrderWrite(2, stamp: 10));

        await Write(
            new FactWrite { OrderId = Id(1), Order = new Order { OrderId = Id(1), Item = "Lamp" }, OrderStamp = new Stamp(11) },
            new FactWrite { OrderId = Id(2), Payment = new Payment { OrderId = Id(2), PaymentId = 1002 }, PaymentStamp = new Stamp(11) });

        (await Read(1)).ShouldBe(new OrderFact(
            Id(1), new Order { OrderId = Id(1), Item = "Lamp" }, new Stamp(11), Payment(1, 1001), new Stamp(10)));
        (await Read(2)).ShouldBe(new OrderFact(
            Id(2), Order(2), new Stamp(10), new Payment { OrderId = Id(2), PaymentId = 1002 }, new Stamp(11)));
    }

    [SkippableFact]
    public async Task An_older_side_changes_nothing_and_its_newer_other_side_lands()
    {
        await Write(OrderWrite(1, stamp: 10));
        await Write(new FactWrite
        {
            OrderId = Id(1),
            Order = Order(1) with { Item = "stale" },
            OrderStamp = new Stamp(9),
            Payment = Payment(1, 1001),
            PaymentStamp = new Stamp(1),
        });

        (await Read(1)).ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(10), Payment(1, 1001), new Stamp(1)));
    }

    [SkippableFact]
    public async Task A_side_whose_columns_are_all_null_is_there_all_the_same()
    {
        var bare = new FactWrite
        {
            OrderId = Id(1),
            Order = new Order { OrderId = Id(1) },
            OrderStamp = new Stamp(10),
            Payment = new Payment { OrderId = Id(1) },
            PaymentStamp = new Stamp(11),
        };
        await Write(bare);

        (await Read(1)).ShouldBe(new OrderFact(Id(1), bare.Order, new Stamp(10), bare.Payment, new Stamp(11)));
    }

    [SkippableFact]
    public async Task Repeating_a_batch_changes_nothing()
    {
        FactWrite[] batch = [OrderWrite(1, stamp: 10), PaymentWrite(2, 1002, stamp: 10) with { PaymentGuarded = true }];
        await Write(batch);
        var before = await Store.ReadAsync([Id(1), Id(2)], default);

        (await Store.WriteAsync(batch, default)).ShouldBeEmpty();

        (await Store.ReadAsync([Id(1), Id(2)], default)).ShouldBe(before);
    }

    [SkippableFact]
    public async Task Whatever_the_order_of_the_writes_the_newest_of_each_side_remains()
    {
        var writes = new[] { 3, 1, 4, 1, 5, 9, 2, 6 }
            .Select(stamp => new FactWrite
            {
                OrderId = Id(1),
                Order = Order(1) with { Quantity = stamp },
                OrderStamp = new Stamp(stamp),
                Payment = Payment(1, 1000 + (10 - stamp)),
                PaymentStamp = new Stamp(10 - stamp),
            })
            .ToArray();

        foreach (var write in writes)
        {
            await Write(write);
        }

        (await Read(1)).ShouldBe(new OrderFact(
            Id(1), Order(1) with { Quantity = 9 }, new Stamp(9), Payment(1, 1009), new Stamp(9)));
    }

    [SkippableFact]
    public async Task Order_columns_with_equal_stamps_are_resolved_one_by_one_whatever_the_order_of_the_writes()
    {
        var one = new Order { OrderId = 0, CustomerId = 1, Item = "a", Quantity = -1, Price = 2, OrderStatus = "\u00e9", CreationDate = "2024" };
        var other = new Order { OrderId = 0, CustomerId = 2, Quantity = 5, Price = -2, ShippingAddress = "x", OrderStatus = "z", CreationDate = "20240" };

        // Null wins, otherwise the larger bytes: a negative number is larger than a positive one, and a prefix is smaller.
        var resolved = new Order { OrderId = 0, CustomerId = 2, Quantity = -1, Price = -2, OrderStatus = "\u00e9", CreationDate = "20240" };
        foreach (var order in new[] { one, other, one })
        {
            await Write(new FactWrite { OrderId = Id(1), Order = order with { OrderId = Id(1) }, OrderStamp = new Stamp(100) });
        }

        foreach (var order in new[] { other, one })
        {
            await Write(new FactWrite { OrderId = Id(2), Order = order with { OrderId = Id(2) }, OrderStamp = new Stamp(100) });
        }

        (await Read(1))!.Order.ShouldBe(resolved with { OrderId = Id(1) });
        (await Read(2))!.Order.ShouldBe(resolved with { OrderId = Id(2) });

        await Write(new FactWrite { OrderId = Id(1), Order = one with { OrderId = Id(1) }, OrderStamp = new Stamp(101) });
        (await Read(1))!.Order.ShouldBe(one with { OrderId = Id(1) });
    }

    [SkippableFact]
    public async Task Of_two_payments_with_equal_stamps_the_one_with_a_later_detail_stamp_is_in_the_row_as_a_whole()
    {
        var (stamp, later) = (new Stamp(100), new Stamp(101));
        for (var n = 1; n <= 2; n++)
        {
            var loser = new FactWrite { OrderId = Id(n), Payment = Payment(n, 1001) with { PaymentMethod = "z" }, PaymentStamp = stamp };
            var winner = new FactWrite
            {
                OrderId = Id(n), Payment = Payment(n, 1002) with { PaymentMethod = "a", CardLastFour = null }, PaymentStamp = stamp, PaymentDetailStamp = later,
            };
            foreach (var write in n == 1 ? new[] { loser, winner, loser } : [winner, loser, winner])
            {
                await Write(write);
            }

            var row = (await Read(n)).ShouldNotBeNull();
            row.Payment.ShouldBe(winner.Payment);
            row.PaymentStamp.ShouldBe(stamp);
            row.PaymentDetailStamp.ShouldBe(later);
        }

        await Write(PaymentWrite(1, 7, stamp: 102));
        (await Read(1)).ShouldBe(new OrderFact(Id(1), null, Stamp.None, Payment(1, 7), new Stamp(102)));
    }

    [SkippableFact]
    public async Task A_payment_that_was_published_before_a_script_inserted_the_order_is_in_the_row()
    {
        // As the public scripts do it: all columns, None for the payment's, at the current time.
        await ScriptInsertsAsync(Order(1));
        var published = Timestamps.Micros(DateTimeOffset.UtcNow.AddMinutes(-10));

        await Write(PaymentWrite(1, 1001, published) with { PaymentGuarded = true });

        var row = (await Read(1)).ShouldNotBeNull();
        row.Order.ShouldBe(Order(1));
        row.Payment.ShouldBe(Payment(1, 1001));
        row.PaymentStamp.ShouldBe(new Stamp(published));
    }

    [SkippableFact]
    public async Task An_order_and_payment_that_were_published_before_their_row_was_deleted_and_come_after_it_are_in_the_row()
    {
        await ScriptInsertsAsync(Order(1));
        await ScriptDeletesAsync(Id(1));
        var published = Timestamps.Micros(DateTimeOffset.UtcNow.AddMinutes(-10));

        await Write(OrderWrite(1, published), PaymentWrite(2, 1002, published));
        await Write(PaymentWrite(1, 1001, published), OrderWrite(2, published));

        (await Read(1)).ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(published), Payment(1, 1001), new Stamp(published)));
    }

    [SkippableFact]
    public async Task What_a_script_wrote_gives_way_to_any_message()
    {
        await ScriptInsertsAsync(Order(1) with { Item = "by a script" });
        await Write(OrderWrite(1, Timestamps.Micros(DateTimeOffset.UtcNow.AddDays(-30))));

        (await Read(1))!.Order.ShouldBe(Order(1));
    }

    [SkippableFact]
    public async Task A_payment_without_guard_replaces_an_older_one_with_another_id()
    {
        await Write(PaymentWrite(1, 1001, stamp: 10));

        (await Store.WriteAsync([PaymentWrite(1, 2002, stamp: 11)], default)).ShouldBeEmpty();

        (await Read(1))!.Payment.ShouldBe(Payment(1, 2002));
    }

    [SkippableFact]
    public async Task A_guarded_payment_is_written_where_there_is_none()
    {
        await Write(OrderWrite(1, stamp: 10));

        var refused = await Store.WriteAsync(
            [PaymentWrite(1, 1001, stamp: 5) with { PaymentGuarded = true }, PaymentWrite(2, 1002, stamp: 5) with { PaymentGuarded = true }], default);

        refused.ShouldBeEmpty();
        (await Read(1))!.Payment.ShouldBe(Payment(1, 1001));
        (await Read(2))!.Payment.ShouldBe(Payment(2, 1002));
    }

    [SkippableFact]
    public async Task A_guarded_payment_replaces_an_older_one_with_the_same_id_and_leaves_a_newer_one()
    {
        await Write(PaymentWrite(1, 1001, stamp: 10), PaymentWrite(2, 1002, stamp: 10));

        var newer = new FactWrite
        {
            OrderId = Id(1), Payment = Payment(1, 1001) with { PaymentStatus = "Refunded" }, PaymentStamp = new Stamp(11), PaymentGuarded = true,
        };
        var older = new FactWrite
        {
            OrderId = Id(2), Payment = Payment(2, 1002) with { PaymentStatus = "Pending" }, PaymentStamp = new Stamp(9), PaymentGuarded = true,
        };
        (await Store.WriteAsync([newer, older], default)).ShouldBeEmpty();

        (await Read(1))!.Payment!.PaymentStatus.ShouldBe("Refunded");
        (await Read(2))!.Payment!.PaymentStatus.ShouldBe("Completed");
    }

    [SkippableFact]
    public async Task A_guarded_payment_is_refused_where_another_one_is_and_the_rest_of_the_batch_lands()
    {
        await Write(PaymentWrite(1, 1001, stamp: 10), PaymentWrite(2, 1002, stamp: 10));

        var refused = await Store.WriteAsync(
            [
                new FactWrite
                {
                    OrderId = Id(1),
                    Order = Order(1),
                    OrderStamp = new Stamp(3),
                    Payment = Payment(1, 2001),
                    PaymentStamp = new Stamp(99),
                    PaymentGuarded = true,
                },
                PaymentWrite(2, 2002, stamp: 1) with { PaymentGuarded = true },
                OrderWrite(3, stamp: 10),
            ],
            default);

        refused.Order().ShouldBe([Id(1), Id(2)]);
        (await Read(1)).ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(3), Payment(1, 1001), new Stamp(10)));
        (await Read(2))!.Payment.ShouldBe(Payment(2, 1002));
        (await Read(3)).ShouldNotBeNull();
    }

    [SkippableFact]
    public async Task A_guarded_payment_whose_columns_would_be_mixed_with_those_of_the_row_is_refused()
    {
        // Another message of the same payment with the same stamp, and one that is as new as the columns of a payment
        // which replaced one with the same stamp.
        var (one, other) = (Payment(1, 1001) with { PaymentMethod = "a", PaymentStatus = "z" }, Payment(1, 1001) with { PaymentMethod = "z", PaymentStatus = "a" });
        await Write(
            PaymentWrite(1, 1001, stamp: 10) with { Payment = one },
            PaymentWrite(2, 1001, stamp: 10) with { Payment = one with { OrderId = Id(2) }, PaymentDetailStamp = new Stamp(12) },
            PaymentWrite(3, 1001, stamp: 10) with { Payment = one with { OrderId = Id(3) } });

        var refused = await Store.WriteAsync(
            [
                PaymentWrite(1, 1001, stamp: 10) with { Payment = other, PaymentGuarded = true },
                PaymentWrite(2, 1001, stamp: 11) with { Payment = other with { OrderId = Id(2) }, PaymentGuarded = true },
                PaymentWrite(3, 1001, stamp: 9) with
                {
                    Payment = other with { OrderId = Id(3) }, PaymentDetailStamp = new Stamp(10), PaymentGuarded = true,
                },
            ],
            default);

        refused.Order().ShouldBe([Id(1), Id(2), Id(3)]);
        (await Read(1))!.Payment.ShouldBe(one);
        (await Read(2))!.Payment.ShouldBe(one with { OrderId = Id(2) });
        (await Read(3))!.Payment.ShouldBe(one with { OrderId = Id(3) });
    }

    [SkippableFact]
    public async Task A_payment_without_an_id_is_another_payment_than_one_with_an_id()
    {
        var nameless = new Payment { OrderId = Id(1), PaymentMethod = "Cash" };
        await Write(new FactWrite { OrderId = Id(1), Payment = nameless, PaymentStamp = new Stamp(10) });
        await Write(PaymentWrite(2, 1002, stamp: 10));

        var refused = await Store.WriteAsync(
            [
                PaymentWrite(1, 1001, stamp: 11) with { PaymentGuarded = true },
                new FactWrite { OrderId = Id(2), Payment = new Payment { OrderId = Id(2) }, PaymentStamp = new Stamp(11), PaymentGuarded = true },
            ],
            default);
        refused.Order().ShouldBe([Id(1), Id(2)]);

        (await Store.WriteAsync(
            [new FactWrite { OrderId = Id(1), Payment = nameless with { PaymentMethod = "Card" }, PaymentStamp = new Stamp(11), PaymentGuarded = true }],
            default)).ShouldBeEmpty();
        (await Read(1))!.Payment!.PaymentMethod.ShouldBe("Card");
    }

    [SkippableFact]
    public async Task Extreme_numbers_and_texts_come_back_as_written()
    {
        var order = new Order
        {
            OrderId = Id(1),
            CustomerId = long.MinValue,
            Quantity = long.MaxValue,
            Price = -1.7976931348623157E+308,
            Item = "",
            ShippingAddress = "Straße 1, 東京 🚚, \"quoted\", 'single'; DROP TABLE x --",
            OrderStatus = new string('x', 100_000),
            CreationDate = "\u0001\n\t",
        };
        var payment = new Payment { OrderId = Id(1), PaymentId = -1, PaymentDatetime = "2024-01-21T45:01:30Z", CardLastFour = "0042" };
        await Write(new FactWrite { OrderId = Id(1), Order = order, OrderStamp = new Stamp(1), Payment = payment, PaymentStamp = new Stamp(1) });
        await Write(new FactWrite { OrderId = Id(2), Order = new Order { OrderId = Id(2), Price = 5E-324, CustomerId = 0 }, OrderStamp = new Stamp(1) });

        (await Read(1)).ShouldBe(new OrderFact(Id(1), order, new Stamp(1), payment, new Stamp(1)));
        (await Read(2))!.Order!.Price.ShouldBe(5E-324);
    }

    [SkippableFact]
    public async Task Infinite_prices_and_texts_with_a_zero_character_come_back_as_written()
    {
        var order = new Order { OrderId = Id(1), Price = double.PositiveInfinity, Item = "a\0b", ShippingAddress = "\0" };
        var payment = new Payment { OrderId = Id(1), PaymentMethod = "c\0" };
        await Write(new FactWrite { OrderId = Id(1), Order = order, OrderStamp = new Stamp(1), Payment = payment, PaymentStamp = new Stamp(1) });

        (await Read(1)).ShouldBe(new OrderFact(Id(1), order, new Stamp(1), payment, new Stamp(1)));
    }

    [SkippableFact]
    public async Task A_price_that_is_no_number_does_not_hold_up_its_batch()
    {
        await Write(
            new FactWrite { OrderId = Id(1), Order = Order(1) with { Price = double.NaN }, OrderStamp = new Stamp(1) },
            OrderWrite(2, stamp: 1));

        var price = (await Read(1))!.Order!.Price;
        (price is null || double.IsNaN(price.Value)).ShouldBeTrue();
        (await Read(2))!.Order.ShouldBe(Order(2));
    }

    [SkippableFact]
    public async Task A_large_batch_is_written_and_read_whole()
    {
        var writes = Enumerable.Range(1, 3_000)
            .Select(i => new FactWrite
            {
                OrderId = Id(i), Order = Order(i), OrderStamp = new Stamp(i), Payment = Payment(i, i), PaymentStamp = new Stamp(i),
            })
            .ToArray();
        await Write(writes);

        var rows = await Store.ReadAsync([.. writes.Select(write => write.OrderId)], default);

        rows.Select(row => row!.Order).ShouldBe(writes.Select(write => write.Order));
        rows.Select(row => row!.PaymentStamp).ShouldBe(writes.Select(write => write.PaymentStamp));
    }

    [SkippableFact]
    public async Task Concurrent_callers_lose_nothing()
    {
        const int Callers = 8, Batches = 10, Rows = 20;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (var batch = 0; batch < Batches; batch++)
            {
                var ids = Enumerable.Range(0, Rows).Select(row => (((caller * Batches) + batch) * Rows) + row).ToArray();
                await Store.WriteAsync([.. ids.Select(id => OrderWrite(id, stamp: 1))], default);
                await Store.WriteUnmatchedAsync([Unmatched(ids[0], "1")], default);
                (await Store.ReadAsync([.. ids.Select(id => Id(id))], default)).ShouldAllBe(row => row != null);
            }
        })));

        var all = await Store.ReadAsync([.. Enumerable.Range(0, Callers * Batches * Rows).Select(id => Id(id))], default);
        all.ShouldAllBe(row => row != null && row.Order != null);
    }

    [SkippableFact]
    public async Task What_was_written_is_there_when_the_store_is_opened_again()
    {
        await Write(OrderWrite(1, stamp: 10), PaymentWrite(2, 1002, stamp: 20));
        await Store.WriteUnmatchedAsync([Unmatched(3, "7")], default);

        await using var again = await ReopenAsync();
        if (again is null)
        {
            return;
        }

        await again.InitializeAsync(default);
        var rows = await again.ReadAsync([Id(1), Id(2)], default);
        rows[0].ShouldBe(new OrderFact(Id(1), Order(1), new Stamp(10), null, Stamp.None));
        rows[1].ShouldBe(new OrderFact(Id(2), null, Stamp.None, Payment(2, 1002), new Stamp(20)));
        (await again.ReadUnmatchedAsync([Id(3)], default)).ShouldHaveSingleItem().PaymentKey.ShouldBe("7");
    }

    [SkippableFact]
    public async Task An_unmatched_row_comes_back_as_written()
    {
        var row = Unmatched(1, "1001") with
        {
            Data = new byte[] { 0, 1, 0xff, 0xfe, (byte)'{' },
            Reason = DeadLetterReason.Superseded,
            State = UnmatchedState.DeadLettered,
            ChangedMicros = 1_700_000_000_000_009,
            Detail = "a \"detail\"",
            Replays = 3,
        };
        await Store.WriteUnmatchedAsync([row], default);

        ShouldBeSame((await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem(), row);
    }

    [SkippableFact]
    public async Task An_unmatched_row_with_empty_data_comes_back_as_written()
    {
        var row = Unmatched(1, "none") with { Data = ReadOnlyMemory<byte>.Empty };
        await Store.WriteUnmatchedAsync([row], default);

        ShouldBeSame((await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem(), row);
    }

    [SkippableFact]
    public async Task Unmatched_rows_are_found_by_their_orders()
    {
        await Store.WriteUnmatchedAsync([Unmatched(1, "1"), Unmatched(1, "2"), Unmatched(2, "1"), Unmatched(3, "1")], default);

        var rows = await Store.ReadUnmatchedAsync([Id(1), Id(3), Id(4), Id(1)], default);

        rows.Select(row => (row.OrderId - FirstOrderId, row.PaymentKey)).Order().ShouldBe([(1, "1"), (1, "2"), (3, "1")]);
    }

    [SkippableFact]
    public async Task An_unmatched_row_is_replaced_and_keeps_its_earliest_since()
    {
        await Store.WriteUnmatchedAsync([Unmatched(1, "1") with { SinceMicros = 100, ChangedMicros = 100 }], default);
        await Store.WriteUnmatchedAsync(
            [
                Unmatched(1, "1") with
                {
                    SinceMicros = 200, ChangedMicros = 200, State = UnmatchedState.Healed, Detail = "joined", Replays = 1, MessageId = "8",
                },
            ],
            default);

        var row = (await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem();
        row.SinceMicros.ShouldBe(100);
        row.ChangedMicros.ShouldBe(200);
        row.State.ShouldBe(UnmatchedState.Healed);
        row.Detail.ShouldBe("joined");
        row.Replays.ShouldBe(1);
        row.MessageId.ShouldBe("8");

        await Store.WriteUnmatchedAsync([Unmatched(1, "1") with { SinceMicros = 50 }], default);
        (await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem().SinceMicros.ShouldBe(50);
    }

    [SkippableFact]
    public async Task The_last_of_two_unmatched_rows_with_one_key_in_a_batch_remains()
    {
        await Store.WriteUnmatchedAsync(
            [Unmatched(1, "1") with { Detail = "first" }, Unmatched(1, "1") with { Detail = "second" }], default);

        (await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem().Detail.ShouldBe("second");
    }

    [SkippableFact]
    public async Task Unmatched_rows_are_listed_oldest_publish_time_first()
    {
        await Store.WriteUnmatchedAsync(
            [Unmatched(1, "1") with { PublishTimeMicros = 30 }, Unmatched(2, "1") with { PublishTimeMicros = 10 }, Unmatched(3, "1") with { PublishTimeMicros = 20 }],
            default);

        (await List(new UnmatchedQuery())).Select(row => row.OrderId - FirstOrderId).ShouldBe([2, 3, 1]);
    }

    [SkippableFact]
    public async Task A_query_filters_by_state_reason_order_and_publish_time_together_and_apart()
    {
        await Store.WriteUnmatchedAsync(
            [
                Unmatched(1, "1") with { PublishTimeMicros = 10 },
                Unmatched(2, "1") with { PublishTimeMicros = 20, State = UnmatchedState.DeadLettered },
                Unmatched(3, "1") with { PublishTimeMicros = 30, State = UnmatchedState.DeadLettered, Reason = DeadLetterReason.Superseded },
                Unmatched(4, "1") with { PublishTimeMicros = 40 },
            ],
            default);

        (await Listed(new UnmatchedQuery { States = [UnmatchedState.Waiting] })).ShouldBe([1, 4]);
        (await Listed(new UnmatchedQuery { States = [UnmatchedState.Discarded] })).ShouldBeEmpty();
        (await Listed(new UnmatchedQuery { Reasons = [DeadLetterReason.Superseded] })).ShouldBe([3]);
        (await Listed(new UnmatchedQuery { OrderId = Id(2) })).ShouldBe([2]);
        (await Listed(new UnmatchedQuery { OrderId = Id(9) })).ShouldBeEmpty();
        (await Listed(new UnmatchedQuery { PublishedUntilMicros = 20 })).ShouldBe([1, 2]);
        (await Listed(new UnmatchedQuery { PublishedFromMicros = 20 })).ShouldBe([2, 3, 4]);
        (await Listed(new UnmatchedQuery { PublishedFromMicros = 20, PublishedUntilMicros = 30 })).ShouldBe([2, 3]);
        (await Listed(new UnmatchedQuery { States = [UnmatchedState.Waiting], PublishedUntilMicros = 39 })).ShouldBe([1]);
        (await Listed(new UnmatchedQuery { States = [UnmatchedState.DeadLettered], Reasons = [DeadLetterReason.NoMatchingOrder] })).ShouldBe([2]);
        (await Listed(new UnmatchedQuery { States = [UnmatchedState.Waiting], OrderId = Id(2) })).ShouldBeEmpty();
        (await Listed(new UnmatchedQuery { Limit = 2 })).ShouldBe([1, 2]);
        (await Listed(new UnmatchedQuery { Limit = 0 })).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_listing_goes_on_behind_a_cursor_also_among_rows_of_one_time()
    {
        await Store.WriteUnmatchedAsync(
            [
                Unmatched(1, "1") with { PublishTimeMicros = 10 },
                Unmatched(2, "10") with { PublishTimeMicros = 20 },
                Unmatched(2, "9") with { PublishTimeMicros = 20, State = UnmatchedState.DeadLettered },
                Unmatched(3, "1") with { PublishTimeMicros = 20 },
                Unmatched(4, "1") with { PublishTimeMicros = 30 },
            ],
            default);

        var whole = await List(new UnmatchedQuery());
        whole.Select(row => (row.OrderId - FirstOrderId, row.PaymentKey)).ShouldBe([(1, "1"), (2, "10"), (2, "9"), (3, "1"), (4, "1")]);
        for (var i = 0; i < whole.Count; i++)
        {
            (await List(new UnmatchedQuery { After = UnmatchedCursor.Of(whole[i]) })).Select(UnmatchedCursor.Of)
                .ShouldBe(whole.Skip(i + 1).Select(UnmatchedCursor.Of));
        }

        (await List(new UnmatchedQuery { After = UnmatchedCursor.Of(whole[0]), States = [UnmatchedState.Waiting], PublishedUntilMicros = 20 }))
            .Select(row => row.PaymentKey).ShouldBe(["10", "1"]);
    }

    [SkippableFact]
    public async Task A_query_takes_several_states_and_reasons_and_lists_the_newest_first()
    {
        await Store.WriteUnmatchedAsync(
            [
                Unmatched(1, "1") with { PublishTimeMicros = 10 },
                Unmatched(2, "1") with { PublishTimeMicros = 20, State = UnmatchedState.DeadLettered },
                Unmatched(3, "1") with { PublishTimeMicros = 30, State = UnmatchedState.DeadLettered, Reason = DeadLetterReason.Superseded },
                Unmatched(4, "1") with { PublishTimeMicros = 30, State = UnmatchedState.Healed },
                Unmatched(5, "1") with { PublishTimeMicros = 40, State = UnmatchedState.Discarded, Reason = DeadLetterReason.Malformed },
            ],
            default);

        (await Listed(new UnmatchedQuery { States = [UnmatchedState.Waiting, UnmatchedState.Healed] })).ShouldBe([1, 4]);
        (await Listed(new UnmatchedQuery { Reasons = [DeadLetterReason.Superseded, DeadLetterReason.Malformed] })).ShouldBe([3, 5]);
        var newest = await List(new UnmatchedQuery { NewestFirst = true });
        newest.Select(row => row.OrderId - FirstOrderId).ShouldBe([5, 4, 3, 2, 1]);
        for (var i = 0; i < newest.Count; i++)
        {
            (await Listed(new UnmatchedQuery { NewestFirst = true, After = UnmatchedCursor.Of(newest[i]) }))
                .ShouldBe(newest.Skip(i + 1).Select(row => row.OrderId - FirstOrderId));
        }

        (await Listed(new UnmatchedQuery { NewestFirst = true, Limit = 2, OrderId = Id(4) })).ShouldBe([4]);
    }

    [SkippableFact]
    public async Task Rows_are_counted_by_hour_of_publish_time_reason_and_state()
    {
        const long Hour = UnmatchedCount.MicrosPerHour;
        const long First = 470_000 * Hour;
        await Store.WriteUnmatchedAsync(
            [
                Unmatched(1, "1") with { PublishTimeMicros = First, SinceMicros = First + (5 * Hour) },
                Unmatched(1, "2") with { PublishTimeMicros = First + Hour - 1 },
                Unmatched(2, "1") with { PublishTimeMicros = First + Hour, State = UnmatchedState.DeadLettered },
                Unmatched(3, "1") with { PublishTimeMicros = First + Hour, State = UnmatchedState.DeadLettered, Reason = DeadLetterReason.Superseded },
                Unmatched(4, "1") with { PublishTimeMicros = -1, State = UnmatchedState.Healed },
            ],
            default);

        UnmatchedCount[] all =
        [
            new(-Hour, DeadLetterReason.NoMatchingOrder, UnmatchedState.Healed, 1),
            new(First, DeadLetterReason.NoMatchingOrder, UnmatchedState.Waiting, 2),
            new(First + Hour, DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1),
            new(First + Hour, DeadLetterReason.Superseded, UnmatchedState.DeadLettered, 1),
        ];
        if (StartsEmpty)
        {
            (await Counted(new UnmatchedQuery { Limit = 1 })).ShouldBe(all);
            (await Counted(new UnmatchedQuery { States = [UnmatchedState.DeadLettered], Reasons = [DeadLetterReason.Superseded] })).ShouldBe(all[3..]);
            (await Counted(new UnmatchedQuery { PublishedFromMicros = First, PublishedUntilMicros = First + Hour - 1 })).ShouldBe(all[1..2]);
        }

        (await Counted(new UnmatchedQuery { OrderId = Id(1) })).ShouldBe(all[1..2]);
        (await Counted(new UnmatchedQuery { OrderId = Id(9) })).ShouldBeEmpty();

        async Task<IEnumerable<UnmatchedCount>> Counted(UnmatchedQuery query) =>
            (await Store.CountUnmatchedAsync(query, default)).OrderBy(count => count.HourMicros).ThenBy(count => count.Reason);
    }

    [SkippableFact]
    public async Task A_change_takes_effect_only_while_its_row_is_as_it_was_read()
    {
        var dead = Unmatched(1, "1").Become(UnmatchedState.DeadLettered, 1_700_000_000_000_002);
        var other = Unmatched(2, "1").Become(UnmatchedState.DeadLettered, 1_700_000_000_000_002);
        await Store.WriteUnmatchedAsync([dead, other], default);
        await Store.WriteUnmatchedAsync([dead.Become(UnmatchedState.Healed, 1_700_000_000_000_003, "joined")], default);

        (await Store.ChangeUnmatchedAsync(
            [
                new UnmatchedChange(dead, dead.Become(UnmatchedState.Discarded, 1_700_000_000_000_004)),
                new UnmatchedChange(other, other.Become(UnmatchedState.Discarded, 1_700_000_000_000_004)),
                new UnmatchedChange(null, Unmatched(3, "1")),
                new UnmatchedChange(null, Unmatched(1, "1")),
                new UnmatchedChange(Unmatched(4, "1"), Unmatched(4, "1") with { Detail = "there was none" }),
            ],
            default)).ShouldBe([false, true, true, false, false]);

        (await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Healed);
        (await Store.ReadUnmatchedAsync([Id(2)], default)).ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
        (await Store.ReadUnmatchedAsync([Id(3)], default)).ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Waiting);
        (await Store.ReadUnmatchedAsync([Id(4)], default)).ShouldBeEmpty();
        (await Store.ChangeUnmatchedAsync([], default)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_row_that_was_changed_can_be_written_and_changed_again()
    {
        var row = Unmatched(1, "1");
        await Store.WriteUnmatchedAsync([row], default);
        for (var i = 1; i <= 3; i++)
        {
            var next = row with { Replays = i, Data = Encoding.UTF8.GetBytes($"[{i}]") };
            (await Store.ChangeUnmatchedAsync([new UnmatchedChange(row, next)], default)).ShouldBe([true]);
            (await Store.ChangeUnmatchedAsync([new UnmatchedChange(row, next)], default)).ShouldBe([false]);
            row = next;
        }

        await Store.WriteUnmatchedAsync([row with { Detail = "written after it" }], default);
        (await Store.ReadUnmatchedAsync([Id(1)], default)).ShouldHaveSingleItem().Detail.ShouldBe("written after it");
    }

    [SkippableFact]
    public async Task A_message_that_is_no_payment_is_kept_with_its_attributes_and_history_and_found_by_its_id()
    {
        var id = DeadLetterId.OfMessage("payments_data-sub", $"{FirstOrderId}");
        DeadLetterId.TryGetRowKey(id, out var key).ShouldBeTrue();
        var row = Unmatched(1, "1") with
        {
            OrderId = key.OrderId,
            PaymentKey = key.PaymentKey,
            Reason = DeadLetterReason.Malformed,
            Detail = "expected a value at byte 7",
            AttributesJson = MessageAttributes.ToJson(new Dictionary<string, string> { ["source"] = "\"shop\" ü" }),
        };
        row = row.Become(UnmatchedState.DeadLettered, 1_700_000_000_000_002, "malformed").Become(UnmatchedState.Discarded, 1_700_000_000_000_003, "a test");
        await Store.WriteUnmatchedAsync([row], default);

        var read = (await Store.ReadUnmatchedAsync([key.OrderId], default)).ShouldHaveSingleItem();
        ShouldBeSame(read, row);
        read.Id.ShouldBe(id);
        read.IsMessage.ShouldBeTrue();
        MessageAttributes.Of(read.AttributesJson)["source"].ShouldBe("\"shop\" ü");
        UnmatchedHistory.Lines(read.History).ShouldBe(["2023-11-14T22:13:20.000002Z dead-lettered malformed", "2023-11-14T22:13:20.000003Z discarded a test"]);
    }

    [Trait("Speed", "Slow")]
    [SkippableFact]
    public async Task A_long_listing_comes_whole_and_in_order()
    {
        const int Rows = 5_000;
        await Store.WriteUnmatchedAsync(
            [
                .. Enumerable.Range(0, Rows).Select(i => Unmatched(i, "1") with
                {
                    PublishTimeMicros = Rows - (i / 3),
                    State = i % 2 == 0 ? UnmatchedState.Waiting : UnmatchedState.DeadLettered,
                }),
            ],
            default);

        var all = await List(new UnmatchedQuery());
        all.Select(row => row.OrderId).Distinct().Count().ShouldBe(Rows);
        all.Select(row => row.PublishTimeMicros).ShouldBe(all.Select(row => row.PublishTimeMicros).Order());
        (await List(new UnmatchedQuery { States = [UnmatchedState.Waiting] })).Count.ShouldBe(Rows / 2);
        (await List(new UnmatchedQuery { Limit = 2_500 })).Count.ShouldBe(2_500);
    }

    [SkippableFact]
    public async Task A_listing_may_be_left_early_and_written_to_meanwhile()
    {
        await Store.WriteUnmatchedAsync([.. Enumerable.Range(0, 3_000).Select(i => Unmatched(i, "1"))], default);

        var seen = 0;
        await foreach (var row in Store.ListUnmatchedAsync(new UnmatchedQuery(), default))
        {
            if (!IsOurs(row.OrderId))
            {
                continue;
            }

            await Store.WriteUnmatchedAsync([row with { Detail = "seen" }], default);
            if (++seen == 10)
            {
                break;
            }
        }

        await Write(OrderWrite(1, stamp: 1));
        (await Store.ReadUnmatchedAsync([.. Enumerable.Range(0, 3_000).Select(i => Id(i))], default))
            .Count(row => row.Detail == "seen").ShouldBe(10);
    }

    [SkippableFact]
    public async Task Unjoined_payments_wait_or_were_dead_lettered_or_discarded_without_an_order()
    {
        await Store.WriteUnmatchedAsync(
            [
                Unmatched(1, "1"),
                Unmatched(1, "2") with { State = UnmatchedState.DeadLettered },
                Unmatched(2, "1") with { State = UnmatchedState.DeadLettered, Reason = DeadLetterReason.Superseded },
                Unmatched(3, "1") with { State = UnmatchedState.Healed },
                Unmatched(4, "1") with { State = UnmatchedState.Discarded },
                Unmatched(5, "1") with { State = UnmatchedState.DeadLettered, Reason = DeadLetterReason.StoreRejected },
                Unmatched(6, "1"),
                Unmatched(7, "1") with { State = UnmatchedState.Discarded, Reason = DeadLetterReason.Superseded },
            ],
            default);
        await Store.WriteUnmatchedAsync([Unmatched(6, "1") with { State = UnmatchedState.Healed }], default);

        (await Unjoined()).Order().ShouldBe([(1, UnmatchedState.Waiting), (1, UnmatchedState.DeadLettered), (4, UnmatchedState.Discarded)]);
    }

    [Trait("Speed", "Slow")]
    [SkippableFact]
    public async Task Every_unjoined_payment_is_listed_however_many_there_are()
    {
        await Store.WriteUnmatchedAsync([.. Enumerable.Range(0, 4_000).Select(i => Unmatched(i / 2, (i % 2).ToString()))], default);

        (await Unjoined()).GroupBy(row => row.OrderId).Select(order => order.Count()).ShouldAllBe(rows => rows == 2);
        (await Unjoined()).Count.ShouldBe(4_000);
    }

    [SkippableFact]
    public async Task Unmatched_rows_are_read_by_key_and_unjoined_ones_in_their_order_up_to_a_limit()
    {
        var rows = new[]
        {
            Unmatched(1, "5") with { PublishTimeMicros = 30 },
            Unmatched(1, "6") with { PublishTimeMicros = 10, State = UnmatchedState.DeadLettered },
            Unmatched(1, "7") with { PublishTimeMicros = 20 },
            Unmatched(1, "8") with { PublishTimeMicros = 5, State = UnmatchedState.Discarded },
            Unmatched(2, "5") with { State = UnmatchedState.Healed },
        };
        await Store.WriteUnmatchedAsync(rows, default);
        var byKey = await Store.ReadUnmatchedRowsAsync([(Id(1), "8"), (Id(2), "5"), (Id(2), "none such"), (Id(3), "5")], default);
        byKey.Select(row => (row.OrderId, row.PaymentKey)).ShouldBe([(Id(1), "8"), (Id(2), "5")], ignoreOrder: true);
        (await Store.ReadUnmatchedRowsAsync([], default)).ShouldBeEmpty();

        var unjoined = await Store.ReadUnjoinedAsync([Id(1), Id(2), Id(3)], limit: 10, default);
        unjoined.Select(row => row.PaymentKey).ShouldBe(["7", "5", "6", "8"]);
        (await Store.ReadUnjoinedAsync([Id(1)], limit: 2, default)).Select(row => row.PaymentKey).ShouldBe(["7", "5"]);
    }

    [SkippableFact]
    public async Task A_cancelled_call_throws_and_the_next_one_works()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(async () => await Store.WriteAsync([OrderWrite(1, stamp: 1)], cancelled.Token));
        await Should.ThrowAsync<OperationCanceledException>(async () => await Store.ReadAsync([Id(1)], cancelled.Token));

        await Write(OrderWrite(2, stamp: 1));
        (await Read(2)).ShouldNotBeNull();
    }

    /// <summary>The id of the test's n-th order.</summary>
    protected long Id(long n) => FirstOrderId + n;

    /// <summary>An order with every column set, the same for the same number.</summary>
    protected Order Order(int n) => new()
    {
        OrderId = Id(n),
        CustomerId = 100 + n,
        Item = $"Item {n}",
        Quantity = 1 + (n % 10),
        Price = 9.99 * n,
        ShippingAddress = $"{n} Main St",
        OrderStatus = "Shipped",
        CreationDate = "2024-01-21",
    };

    /// <summary>A payment with every column set.</summary>
    protected Payment Payment(int n, long paymentId) => new()
    {
        OrderId = Id(n),
        PaymentId = paymentId,
        PaymentMethod = "Credit Card",
        CardLastFour = "1234",
        PaymentStatus = "Completed",
        PaymentDatetime = "2024-01-21T45:01:30Z",
    };

    /// <summary>A write of the order columns alone.</summary>
    protected FactWrite OrderWrite(int n, long stamp) => new() { OrderId = Id(n), Order = Order(n), OrderStamp = new Stamp(stamp) };

    /// <summary>A write of the payment columns alone, without guard.</summary>
    protected FactWrite PaymentWrite(int n, long paymentId, long stamp) =>
        new() { OrderId = Id(n), Payment = Payment(n, paymentId), PaymentStamp = new Stamp(stamp) };

    /// <summary>A waiting payment.</summary>
    protected UnmatchedPayment Unmatched(int n, string key) => new()
    {
        OrderId = Id(n),
        PaymentKey = key,
        Data = Encoding.UTF8.GetBytes($"{{\"order_id\":{Id(n)}}}"),
        PublishTimeMicros = 1_700_000_000_000_000 + n,
        MessageId = $"{1000 + n}",
        Subscription = "payments_data-sub",
        Reason = DeadLetterReason.NoMatchingOrder,
        State = UnmatchedState.Waiting,
        SinceMicros = 1_700_000_000_000_001,
        ChangedMicros = 1_700_000_000_000_001,
    };

    /// <summary>Writes a batch that refuses nothing.</summary>
    protected async Task Write(params FactWrite[] writes) => (await Store.WriteAsync(writes, default)).ShouldBeEmpty();

    /// <summary>Reads one row.</summary>
    protected async Task<OrderFact?> Read(int n) => (await Store.ReadAsync([Id(n)], default)).ShouldHaveSingleItem();

    private static void ShouldBeSame(UnmatchedPayment actual, UnmatchedPayment expected)
    {
        actual.Data.ToArray().ShouldBe(expected.Data.ToArray());
        (actual with { Data = default }).ShouldBe(expected with { Data = default });
    }

    // A shared store holds the rows of other tests too: they are left out, and a limit is then no use.
    private bool IsOurs(long orderId) => StartsEmpty || (orderId >= FirstOrderId && orderId < FirstOrderId + 100_000);

    private async Task<List<UnmatchedPayment>> List(UnmatchedQuery query)
    {
        var rows = new List<UnmatchedPayment>();
        var limit = query.Limit;
        await foreach (var row in Store.ListUnmatchedAsync(StartsEmpty ? query : query with { Limit = int.MaxValue }, default))
        {
            if (IsOurs(row.OrderId) && rows.Count < limit)
            {
                rows.Add(row);
            }
        }

        return rows;
    }

    private async Task<IEnumerable<long>> Listed(UnmatchedQuery query) => (await List(query)).Select(row => row.OrderId - FirstOrderId);

    private async Task<List<(long OrderId, UnmatchedState State)>> Unjoined()
    {
        var rows = new List<(long, UnmatchedState)>();
        await foreach (var payment in Store.ListUnjoinedAsync(default))
        {
            if (IsOurs(payment.OrderId))
            {
                payment.PublishTimeMicros.ShouldBeGreaterThan(0);
                rows.Add((payment.OrderId - FirstOrderId, payment.State));
            }
        }

        return rows;
    }
}
