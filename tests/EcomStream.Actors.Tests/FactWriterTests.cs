using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

public sealed class FactWriterTests : TestKit
{
    private readonly InMemorySubscription _orders = new("orders");
    private readonly InMemorySubscription _payments = new("payments");
    private readonly InMemoryFactStore _store = new();
    private readonly List<IReadOnlyList<FactWrite>> _batches = [];
    private readonly TestProbe _sink;
    private readonly TestProbe _shard;
    private readonly UnmatchedIndex _index = new();
    private readonly EcomStreamMetrics _metrics = new();

    public FactWriterTests()
        : base(TestConfiguration.Reference)
    {
        _sink = CreateTestProbe();
        _shard = CreateTestProbe();
        _store.BeforeWrite = batch =>
        {
            lock (_batches)
            {
                _batches.Add(batch);
            }
        };
    }

    protected override void AfterAll()
    {
        _metrics.Dispose();
        base.AfterAll();
    }

    [Fact]
    public void An_order_and_its_payment_that_meet_within_the_linger_are_one_write()
    {
        var writer = Writer("linger = 200ms");
        var (order, payment) = (Shop.Order(_orders, 1), Shop.Payment(_payments, 1));
        writer.Tell(new WriteFact { OrderId = 1, Order = order });
        writer.Tell(new WriteFact { OrderId = 1, Payment = payment, Guarded = true });
        AwaitAssert(() => _payments.Acked.ShouldBe(1));
        var write = _batches.ShouldHaveSingleItem().ShouldHaveSingleItem();
        write.Order.ShouldBe(order.Order);
        write.Payment.ShouldBe(payment.Payment);
        write.PaymentGuarded.ShouldBeTrue();
        _orders.Acked.ShouldBe(1);
    }

    [Fact]
    public void A_full_batch_is_written_before_the_linger_is_over()
    {
        var writer = Writer("linger = 1h, batch-size = 10");
        for (var id = 1; id <= 10; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Order = Shop.Order(_orders, id) });
        }

        AwaitAssert(() => _orders.Acked.ShouldBe(10));
        _batches.ShouldHaveSingleItem().Count.ShouldBe(10);
    }

    [Fact]
    public async Task One_orders_writes_are_never_under_way_twice_and_the_second_comes_after_the_first()
    {
        var first = new TaskCompletionSource();
        var calls = 0;
        _store.BeforeCall = operation => operation == StoreOperation.Write && Interlocked.Increment(ref calls) == 1 ? first.Task : Task.CompletedTask;
        var writer = Writer("linger = 0ms, max-in-flight = 4");
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1) });
        await Eventually.True(() => Volatile.Read(ref calls) == 1, "the first write is under way");
        writer.Tell(new WriteFact { OrderId = 1, Payment = Shop.Payment(_payments, 1), Guarded = true });
        writer.Tell(new WriteFact { OrderId = 2, Order = Shop.Order(_orders, 2) });
        await Eventually.True(() => _orders.Acked == 1, "the other order is written meanwhile");
        Volatile.Read(ref calls).ShouldBe(2);
        first.SetResult();
        await Eventually.True(() => _payments.Acked == 1, "the payment is written after it");
        _store.Facts[1].Payment.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_read_waits_for_the_writes_before_it()
    {
        var gate = new TaskCompletionSource();
        _store.BeforeCall = operation => operation == StoreOperation.Write ? gate.Task : Task.CompletedTask;
        var writer = Writer("linger = 0ms");
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1) });
        writer.Tell(new LoadOrder(1, 1, TestActor));
        await ExpectNoMsgAsync(TimeSpan.FromMilliseconds(150));
        gate.SetResult();
        (await ExpectMsgAsync<OrderLoaded>()).Row!.Order.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_read_brings_the_unmatched_payments_that_an_order_would_heal_and_no_others()
    {
        var waiting = Shop.Payment(_payments, 1, paymentId: 5);
        await _store.WriteUnmatchedAsync(
            [
                UnmatchedRows.Encode(waiting, DeadLetterReason.NoMatchingOrder, UnmatchedState.Waiting, 1),
                UnmatchedRows.Encode(Shop.Payment(_payments, 1, paymentId: 6), DeadLetterReason.Superseded, UnmatchedState.DeadLettered, 1),
                UnmatchedRows.Encode(Shop.Payment(_payments, 1, paymentId: 7), DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1),
            ],
            CancellationToken.None);
        _index.SetWaiting(1, 1, hasDeadLettered: false);
        var writer = Writer("linger = 0ms");
        writer.Tell(new LoadOrder(1, 1, TestActor));
        var loaded = await ExpectMsgAsync<OrderLoaded>();
        loaded.Row.ShouldBeNull();
        loaded.Unmatched.ShouldHaveSingleItem().Message.Payment.ShouldBe(waiting.Payment);
        loaded.Unmatched[0].Message.Stamp.ShouldBe(waiting.Stamp);
    }

    [Fact]
    public void A_message_that_adds_nothing_is_acked_with_the_write_that_is_pending_and_at_once_without_one()
    {
        var writer = Writer("linger = 100ms");
        writer.Tell(new SettleAfterWrites(Shop.Order(_orders, 9)));
        AwaitAssert(() => _orders.Acked.ShouldBe(1));
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1, at: 5_000_001) });
        writer.Tell(new SettleAfterWrites(Shop.Order(_orders, 1)));
        AwaitAssert(() => _orders.Acked.ShouldBe(3));
        _batches.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_store_that_is_not_there_is_tried_again_and_nothing_is_acked_meanwhile()
    {
        var failures = 0;
        _store.BeforeCall = operation => operation == StoreOperation.Write && Interlocked.Increment(ref failures) <= 5
            ? Task.FromException(new StoreUnavailableException("not there"))
            : Task.CompletedTask;
        var writer = Writer("linger = 0ms, min-backoff = 10ms, max-backoff = 20ms");
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1) });
        await Eventually.True(() => Volatile.Read(ref failures) >= 3, "it is tried again");
        await Eventually.True(() => _orders.Acked == 1, "it succeeds in the end");
        Volatile.Read(ref failures).ShouldBe(6);
    }

    [Fact]
    public async Task A_guarded_payment_that_meets_another_one_goes_back_to_its_order_unacked()
    {
        var writer = Writer("linger = 0ms");
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1), Payment = Shop.Payment(_payments, 1, paymentId: 1) });
        await Eventually.True(() => _payments.Acked == 1, "the first payment is written");
        var other = Shop.Payment(_payments, 1, paymentId: 2);
        writer.Tell(new WriteFact { OrderId = 1, Payment = other, Guarded = true });
        (await _shard.ExpectMsgAsync<PaymentRefused>()).Payment.ShouldBe(other);
        _payments.Acked.ShouldBe(1);
        _store.Facts[1].Payment!.PaymentId.ShouldBe(1);
    }

    [Fact]
    public async Task A_guarded_payment_is_not_merged_over_another_one_that_is_pending()
    {
        var writer = Writer("linger = 200ms");
        writer.Tell(new WriteFact { OrderId = 1, Payment = Shop.Payment(_payments, 1, paymentId: 1) });
        var other = Shop.Payment(_payments, 1, paymentId: 2, at: 9_000_001);
        writer.Tell(new WriteFact { OrderId = 1, Payment = other, Guarded = true });
        (await _shard.ExpectMsgAsync<PaymentRefused>()).Payment.ShouldBe(other);
        await Eventually.True(() => _store.Facts.ContainsKey(1), "the pending payment is written");
        _store.Facts[1].Payment!.PaymentId.ShouldBe(1);
    }

    [Fact]
    public async Task Payments_are_healed_only_when_their_fact_is_durable()
    {
        var gate = new TaskCompletionSource();
        _store.BeforeCall = operation => operation == StoreOperation.Write ? gate.Task : Task.CompletedTask;
        var writer = Writer("linger = 0ms");
        var payment = Shop.Payment(_payments, 1);
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1), Payment = payment, Heal = [payment] });
        await _sink.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(150));
        gate.SetResult();
        (await _sink.ExpectMsgAsync<HealPayments>()).Payments.ShouldBe([payment]);
    }

    [Fact]
    public async Task Of_a_batch_that_is_rejected_only_the_bad_order_is_dead_lettered_and_its_payment_is_decided_again()
    {
        _store.BeforeWrite = writes =>
        {
            if (writes.Any(write => write.OrderId == 6))
            {
                throw new StoreRejectedException("no six");
            }
        };
        var writer = Writer("linger = 1h, batch-size = 9");
        for (var id = 1; id <= 9; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Order = Shop.Order(_orders, id), Payment = Shop.Payment(_payments, id) });
        }

        var deadLetter = await _sink.ExpectMsgAsync<DeadLetterMessage>();
        deadLetter.OrderId.ShouldBe(6);
        deadLetter.Reason.ShouldBe(DeadLetterReason.StoreRejected);
        deadLetter.Detail.ShouldBe("no six");
        deadLetter.Topic.ShouldBe("dlq_orders_data");

        // The order's actor learns that its order is not in the row, and its payment has to wait for it.
        (await _shard.ExpectMsgAsync<WriteRejected>()).OrderId.ShouldBe(6);
        (await _shard.ExpectMsgAsync<ShardBatch>()).Messages.ShouldHaveSingleItem().ShouldBeOfType<PaymentReceived>().OrderId.ShouldBe(6);
        await Eventually.True(() => _orders.Acked == 8 && _payments.Acked == 8, "the others are written");
        _store.Facts.Keys.ShouldBe([1, 2, 3, 4, 5, 7, 8, 9], ignoreOrder: true);

        // The unmatched writer settles what it was given.
        ((InMemoryDelivery)deadLetter.Delivery).IsAcked.ShouldBeFalse();
    }

    [Fact]
    public async Task While_the_store_rejects_every_row_nothing_is_dead_lettered()
    {
        var rejects = true;
        _store.BeforeWrite = _ =>
        {
            if (Volatile.Read(ref rejects))
            {
                throw new StoreRejectedException("the disk guardrail is full");
            }
        };
        var writer = Writer("linger = 0ms, min-backoff = 5ms, max-backoff = 10ms");
        for (var id = 1; id <= 5; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Order = Shop.Order(_orders, id) });
        }

        await _sink.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(300));
        _orders.Acked.ShouldBe(0);
        Volatile.Write(ref rejects, false);
        await Eventually.True(() => _orders.Acked == 5, "all are written");
    }

    [Fact]
    public async Task An_order_that_was_decided_before_its_rejection_was_known_is_decided_again()
    {
        _store.BeforeWrite = writes =>
        {
            if (writes.Any(write => write.OrderId == 6))
            {
                throw new StoreRejectedException("no six");
            }
        };
        var writer = Writer("linger = 1h, batch-size = 9");
        for (var id = 1; id <= 9; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Order = Shop.Order(_orders, id, at: 5_000_001) });
        }

        var rejected = await _shard.ExpectMsgAsync<WriteRejected>();
        var older = Shop.Order(_orders, 6, at: 1_000_001);
        writer.Tell(new SettleAfterWrites(older));
        (await _shard.ExpectMsgAsync<ShardBatch>()).Messages.ShouldBe([older]);
        ((InMemoryDelivery)older.Delivery).IsAcked.ShouldBeFalse();

        // Nor is a payment written into a row without its order.
        var payment = Shop.Payment(_payments, 6);
        writer.Tell(new WriteFact { OrderId = 6, Payment = payment, Guarded = true });
        (await _shard.ExpectMsgAsync<ShardBatch>()).Messages.ShouldBe([payment]);

        rejected.ReplyTo.Tell(new RejectionKnown(6));
        writer.Tell(new SettleAfterWrites(older));
        await Eventually.True(() => ((InMemoryDelivery)older.Delivery).IsAcked, "it is settled");
    }

    [Fact]
    public async Task A_payment_that_was_to_be_settled_behind_one_that_is_rejected_is_decided_again()
    {
        var gate = new TaskCompletionSource();
        _store.BeforeCall = operation => operation == StoreOperation.Write ? gate.Task : Task.CompletedTask;
        _store.BeforeWrite = writes =>
        {
            if (writes.Any(write => write.OrderId == 6))
            {
                throw new StoreRejectedException("no six");
            }
        };
        var writer = Writer("linger = 1h, batch-size = 9");
        for (var id = 1; id <= 9; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Payment = Shop.Payment(_payments, id, at: 9_000_001) });
        }

        var older = Shop.Payment(_payments, 6, at: 3_000_001);
        writer.Tell(new WriteFact { OrderId = 6, Order = Shop.Order(_orders, 6) });
        writer.Tell(new SettleAfterWrites(older));
        await IsIdle(writer);
        gate.SetResult();
        (await _sink.ExpectMsgAsync<DeadLetterMessage>()).PaymentId.ShouldBe("1006");
        await _shard.ExpectMsgAsync<WriteRejected>();
        (await _shard.ExpectMsgAsync<ShardBatch>()).Messages.ShouldBe([older]);
        ((InMemoryDelivery)older.Delivery).IsAcked.ShouldBeFalse();
    }

    [Fact]
    public async Task Of_a_row_whose_payment_alone_is_rejected_the_order_is_written()
    {
        _store.BeforeWrite = writes =>
        {
            if (writes.Any(write => write is { OrderId: 6, Payment: not null }))
            {
                throw new StoreRejectedException("no payment of six");
            }
        };
        var writer = Writer("linger = 0ms, batch-size = 3, min-backoff = 5ms, max-backoff = 10ms");
        foreach (var id in (long[])[5, 6, 7])
        {
            writer.Tell(new WriteFact { OrderId = id, Order = Shop.Order(_orders, id), Payment = Shop.Payment(_payments, id) });
        }

        var deadLetter = await _sink.ExpectMsgAsync<DeadLetterMessage>();
        deadLetter.Topic.ShouldBe("dlq_payments_data");
        deadLetter.PaymentId.ShouldBe("1006");
        await Eventually.True(() => _orders.Acked == 3, "every order is written");
        _store.Facts[6].Order.ShouldNotBeNull();
        _payments.Acked.ShouldBe(2);
    }

    [Fact]
    public async Task A_store_call_that_ends_cancelled_is_tried_again()
    {
        var calls = 0;
        _store.BeforeCall = _ => Interlocked.Increment(ref calls) == 1 ? Task.FromCanceled(new CancellationToken(true)) : Task.CompletedTask;
        var writer = Writer("linger = 0ms, min-backoff = 5ms, max-backoff = 10ms");
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1) });
        await Eventually.True(() => _orders.Acked == 1, "it is written by the second attempt");
    }

    [Fact]
    public async Task No_more_batches_are_under_way_than_allowed_and_what_comes_meanwhile_is_merged()
    {
        var gate = new TaskCompletionSource();
        var calls = 0;
        _store.BeforeCall = operation =>
        {
            Interlocked.Increment(ref calls);
            return gate.Task;
        };
        var writer = Writer("linger = 0ms, batch-size = 2, max-in-flight = 3");
        for (var id = 1; id <= 20; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Order = Shop.Order(_orders, id) });
        }

        for (var id = 1; id <= 20; id++)
        {
            writer.Tell(new WriteFact { OrderId = id, Payment = Shop.Payment(_payments, id), Guarded = true });
        }

        await IsIdle(writer);
        Volatile.Read(ref calls).ShouldBe(3);
        gate.SetResult();
        await Eventually.True(() => _orders.Acked == 20 && _payments.Acked == 20, "all of it is written");

        // What was not under way when its payment came went with it: one row each.
        _store.RowsWritten.ShouldBeInRange(20, 26);
    }

    [Fact]
    public async Task A_refused_payment_takes_with_it_the_duplicates_that_were_settled_behind_it()
    {
        var gate = new TaskCompletionSource();
        var writer = Writer("linger = 0ms");
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1), Payment = Shop.Payment(_payments, 1, paymentId: 1) });
        await Eventually.True(() => _payments.Acked == 1, "the first payment is written");
        _store.BeforeCall = operation => operation == StoreOperation.Write ? gate.Task : Task.CompletedTask;
        var (refused, again) = (Shop.Payment(_payments, 1, paymentId: 2), Shop.Payment(_payments, 1, paymentId: 2));
        writer.Tell(new WriteFact { OrderId = 1, Order = Shop.Order(_orders, 1, at: 5_000_001), Payment = refused, Guarded = true });
        await IsIdle(writer);
        writer.Tell(new SettleAfterWrites(again));
        gate.SetResult();
        var returned = new[] { (await _shard.ExpectMsgAsync<PaymentRefused>()).Payment, (await _shard.ExpectMsgAsync<PaymentRefused>()).Payment };
        returned.ShouldBe([refused, again], ignoreOrder: true);
        await Eventually.True(() => _orders.Acked == 2, "the order of the same write is settled");
        _payments.Acked.ShouldBe(1);
    }

    [Fact]
    public async Task A_read_that_fails_is_tried_again()
    {
        var failures = 0;
        _store.BeforeCall = operation => operation == StoreOperation.Read && Interlocked.Increment(ref failures) <= 3
            ? Task.FromException(new StoreUnavailableException("not there"))
            : Task.CompletedTask;
        var writer = Writer("linger = 0ms, min-backoff = 5ms, max-backoff = 10ms");
        writer.Tell(new LoadOrder(1, 1, TestActor));
        (await ExpectMsgAsync<OrderLoaded>()).Row.ShouldBeNull();
        failures.ShouldBe(4);
    }

    // What was sent before has been handled, and so has what it sent to itself.
    private async Task IsIdle(IActorRef writer)
    {
        for (var i = 0; i < 3; i++)
        {
            await writer.Ask<ActorIdentity>(new Identify(i));
        }
    }

    private IActorRef Writer(string hocon)
    {
        var settings = EcomStreamSettings.Read(ConfigurationFactory.ParseString($"ecomstream.writer {{ {hocon} }}"));
        var router = new OrderRouter();
        router.Use([_shard.Ref]);
        return Sys.ActorOf(FactWriter.Props(settings, _store, _sink.Ref, router, _index, _metrics, TimeProvider.System));
    }
}
