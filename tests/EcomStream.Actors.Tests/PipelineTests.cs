using System.Text;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

public sealed class PipelineTests
{
    [Fact]
    public async Task Orders_and_payments_are_joined_and_acked()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Orders.Publish(Enumerable.Range(1, 1_000).Select(id => Shop.OrderData(id)));
        pipeline.Payments.Publish(Enumerable.Range(1, 1_000).Select(id => Shop.PaymentData(id)));
        await pipeline.Drained();
        pipeline.Store.Facts.Count.ShouldBe(1_000);
        pipeline.Store.Facts.Values.ShouldAllBe(row => row.Order != null && row.Payment!.PaymentId == row.OrderId + 1_000);
        pipeline.Publisher.Published.ShouldBeEmpty();
    }

    [Fact]
    public async Task Nothing_is_acked_before_it_is_in_the_store()
    {
        var store = new InMemoryFactStore();
        var write = new TaskCompletionSource();
        store.BeforeCall = operation => operation == StoreOperation.Write ? write.Task : Task.CompletedTask;
        await using var pipeline = PipelineFixture.Start(store: store);
        var order = pipeline.Orders.Publish(Shop.OrderData(1));
        pipeline.Orders.Redeliver(order);
        await Eventually.True(() => pipeline.Orders.Status.OutstandingMessages == 2, "both deliveries are in flight");
        await Task.Delay(200);
        pipeline.Orders.Acked.ShouldBe(0);
        write.SetResult();
        await pipeline.Drained();
        store.Facts[1].Order.ShouldNotBeNull();
    }

    [Fact]
    public async Task Acks_that_the_broker_refuses_are_counted_and_the_messages_are_handled_again()
    {
        var refused = new List<(string? Subscription, long Messages)>();
        await using var pipeline = PipelineFixture.Start();
        using var meters = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "ecomstream.acks.refused")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<long>((_, messages, tags, _) =>
        {
            lock (refused)
            {
                refused.Add((tags.ToArray().Single(tag => tag.Key == "subscription").Value as string, messages));
            }
        });
        meters.Start();
        pipeline.Orders.RefuseAcks(2);

        pipeline.Orders.Publish([Shop.OrderData(1), Shop.OrderData(2), Shop.OrderData(3)]);
        await pipeline.Drained();

        pipeline.Store.Facts.Keys.Order().ShouldBe([1, 2, 3]);
        pipeline.Orders.Nacked.ShouldBe(2);
        lock (refused)
        {
            refused.Where(r => r.Subscription == pipeline.Orders.Name).Sum(r => r.Messages).ShouldBe(2);
        }
    }

    [Fact]
    public async Task Payments_that_come_first_wait_and_are_joined_in_one_write_each()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched { park-after = 20s, grace = 60s }");
        pipeline.Payments.Publish(Enumerable.Range(1, 100).Select(id => Shop.PaymentData(id)));
        await Eventually.True(() => pipeline.Payments.Status.OutstandingMessages == 100, "the payments wait unacked");
        pipeline.Orders.Publish(Enumerable.Range(1, 100).Select(id => Shop.OrderData(id)));
        await pipeline.Drained();
        pipeline.Store.Facts.Values.ShouldAllBe(row => row.Order != null && row.Payment != null);
        pipeline.Store.RowsWritten.ShouldBe(100);
        pipeline.Store.Unmatched.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_payment_without_an_order_is_acked_when_its_row_is_written_and_dead_lettered_after_the_grace()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched.grace = 1s");
        pipeline.Payments.Publish(Shop.PaymentData(5));
        await pipeline.Drained();
        pipeline.Store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Waiting);
        pipeline.Publisher.Published.ShouldBeEmpty();
        await Eventually.True(() => pipeline.DeadLetters.Count == 1, "the payment is dead-lettered");
        pipeline.DeadLetters.ShouldBe([("1005", "no-matching-order")]);
        await Eventually.True(() => pipeline.Store.Unmatched.Single().State == UnmatchedState.DeadLettered, "its row says so");
        var letter = pipeline.Publisher.Published.Single();
        letter.Topic.ShouldBe("dlq_payments_data");
        letter.Message.Data.ToArray().ShouldBe(Shop.PaymentData(5));
        pipeline.Pipeline.Status.WaitingOrders.ShouldBe(0);
    }

    [Fact]
    public async Task An_order_that_comes_after_the_grace_heals_its_dead_lettered_payment()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Payments.Publish(Shop.PaymentData(5));
        await Eventually.True(() => pipeline.Store.Unmatched.Any(row => row.State == UnmatchedState.DeadLettered), "the payment is dead-lettered");
        pipeline.Orders.Publish(Shop.OrderData(5));
        await pipeline.Drained();
        await Eventually.True(() => pipeline.Store.Unmatched.Single().State == UnmatchedState.Healed, "its row says healed");
        pipeline.Store.Facts[5].Payment!.PaymentId.ShouldBe(1_005);
        pipeline.DeadLetters.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Payments_that_waited_when_the_process_ended_are_joined_or_given_up_by_the_next_one()
    {
        var store = new InMemoryFactStore();
        await using (var first = PipelineFixture.Start("ecomstream.unmatched.grace = 1h", store))
        {
            first.Payments.Publish([Shop.PaymentData(1), Shop.PaymentData(2)]);
            await first.Drained();
        }

        store.Unmatched.Count(row => row.State == UnmatchedState.Waiting).ShouldBe(2);
        await using var second = PipelineFixture.Start("ecomstream.unmatched.grace = 500ms", store);
        second.Orders.Publish(Shop.OrderData(1));
        await Eventually.True(() => store.Unmatched.Any(row => row is { OrderId: 1, State: UnmatchedState.Healed }), "the first is healed");
        await Eventually.True(() => store.Unmatched.Any(row => row is { OrderId: 2, State: UnmatchedState.DeadLettered }), "the second is given up");
        store.Facts[1].Payment!.PaymentId.ShouldBe(1_001);
        second.DeadLetters.ShouldBe([("1002", "no-matching-order")]);
    }

    [Fact]
    public async Task The_grace_stands_still_while_the_orders_cannot_be_read()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Orders.Unreadable = true;
        pipeline.Payments.Publish(Shop.PaymentData(5));
        await pipeline.Drained();
        await Task.Delay(1_000);
        pipeline.Publisher.Published.ShouldBeEmpty();
        pipeline.Orders.Unreadable = false;
        await Eventually.True(() => pipeline.DeadLetters.Count == 1, "the grace runs again");
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Of_two_payments_the_newer_is_in_the_row_and_the_older_is_superseded_once(bool newerFirst, bool restart)
    {
        var store = new InMemoryFactStore();
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        (long Id, long At)[] payments = [(1, now + 10), (2, now + 20)];
        if (newerFirst)
        {
            Array.Reverse(payments);
        }

        var letters = new List<(string, string)>();
        var pipeline = PipelineFixture.Start(store: store);
        pipeline.Orders.Publish(Shop.OrderData(7), now);
        await pipeline.Drained();
        for (var i = 0; i < 2; i++)
        {
            if (i > 0 && restart)
            {
                letters.AddRange(pipeline.DeadLetters);
                await pipeline.DisposeAsync();
                pipeline = PipelineFixture.Start(store: store);
            }

            var delivery = pipeline.Payments.Publish(Shop.PaymentData(7, payments[i].Id), payments[i].At);
            await pipeline.Drained();
            pipeline.Payments.Redeliver(delivery, delivery);
            await pipeline.Drained();
        }

        letters.AddRange(pipeline.DeadLetters);
        letters.ShouldBe([("1", "superseded")]);
        store.Facts[7].Payment!.PaymentId.ShouldBe(2);
        await pipeline.DisposeAsync();
    }

    [Fact]
    public async Task A_payment_displaced_after_its_order_was_passivated_and_the_order_sent_again_is_not_lost()
    {
        await using var pipeline = PipelineFixture.Start();
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        pipeline.Orders.Publish(Shop.OrderData(7), now);
        pipeline.Payments.Publish(Shop.PaymentData(7, 1), now + 10);
        await pipeline.Drained();

        // The order is complete, so its actor is gone; the order's next message starts one that has read nothing.
        pipeline.Orders.Publish(Shop.OrderData(7, "Shipped"), now + 20);
        pipeline.Payments.Publish(Shop.PaymentData(7, 2), now + 30);
        await pipeline.Drained();
        pipeline.Store.Facts[7].Payment!.PaymentId.ShouldBe(2);
        pipeline.Store.Facts[7].Order!.OrderStatus.ShouldBe("Shipped");
        pipeline.DeadLetters.ShouldBe([("1", "superseded")]);
    }

    [Fact]
    public async Task Malformed_messages_go_to_their_dead_letter_topics_unchanged_with_the_position()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Orders.Publish(Encoding.UTF8.GetBytes("not json"));
        pipeline.Payments.Publish(Encoding.UTF8.GetBytes("""{"order_id": "x"}"""));
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        var letters = pipeline.Publisher.Published.OrderBy(p => p.Topic, StringComparer.Ordinal).ToList();
        letters.Select(l => l.Topic).ShouldBe(["dlq_orders_data", "dlq_payments_data"]);
        letters.ShouldAllBe(l => l.Message.Attributes["reason"] == "malformed");
        Encoding.UTF8.GetString(letters[0].Message.Data.Span).ShouldBe("not json");
        letters[1].Message.Attributes["detail"].ShouldContain("at byte 13");
        pipeline.Store.Facts.ShouldContainKey(1);
    }

    [Fact]
    public async Task While_the_store_is_down_the_sources_stop_nothing_is_lost_and_work_resumes_by_itself()
    {
        var store = new InMemoryFactStore();
        var isDown = true;
        store.BeforeCall = operation => Volatile.Read(ref isDown) && operation is not (StoreOperation.Initialize or StoreOperation.TakeCleanStop or StoreOperation.List)
            ? Task.FromException(new StoreUnavailableException("down"))
            : Task.CompletedTask;
        await using var pipeline = PipelineFixture.Start(store: store, maxOutstanding: 500);
        foreach (var ids in Enumerable.Range(1, 5_000).Chunk(100))
        {
            pipeline.Orders.Publish(ids.Select(id => Shop.OrderData(id)));
            pipeline.Payments.Publish(ids.Select(id => Shop.PaymentData(id)));
        }

        await Eventually.True(() => pipeline.Orders.Status.OutstandingMessages == 500, "the bound is reached");
        await Task.Delay(500);
        pipeline.Orders.Status.OutstandingMessages.ShouldBe(500);
        pipeline.Orders.Acked.ShouldBe(0);
        Volatile.Write(ref isDown, false);
        await pipeline.Drained();
        store.Facts.Values.Count(row => row is { Order: not null, Payment: not null }).ShouldBe(5_000);
        pipeline.Orders.Nacked.ShouldBe(0);
        pipeline.DeadLetters.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_row_that_the_store_will_never_take_is_dead_lettered_alone()
    {
        var store = new InMemoryFactStore();
        store.BeforeWrite = writes =>
        {
            if (writes.Any(write => write.OrderId == 13))
            {
                throw new StoreRejectedException("13 is not taken");
            }
        };
        await using var pipeline = PipelineFixture.Start(store: store);
        pipeline.Orders.Publish(Enumerable.Range(1, 50).Select(id => Shop.OrderData(id)));
        await pipeline.Drained();
        store.Facts.Count.ShouldBe(49);
        store.Facts.ShouldNotContainKey(13);
        var letter = pipeline.Publisher.Published.ShouldHaveSingleItem();
        letter.Topic.ShouldBe("dlq_orders_data");
        letter.Message.Attributes["reason"].ShouldBe("store-rejected");
        letter.Message.Attributes["detail"].ShouldContain("13 is not taken");
    }

    [Fact]
    public async Task A_dead_letter_topic_that_is_not_there_holds_the_message_unacked_until_it_is()
    {
        await using var pipeline = PipelineFixture.Start();
        var isDown = true;
        pipeline.Publisher.BeforeCall = _ => Volatile.Read(ref isDown)
            ? Task.FromException(new PublishFailedException("no topic"))
            : Task.CompletedTask;
        pipeline.Orders.Publish(Encoding.UTF8.GetBytes("rubbish"));
        pipeline.Orders.Publish(Shop.OrderData(1));
        await Eventually.True(() => pipeline.Orders.Acked == 1, "the order is written");
        await Task.Delay(200);
        pipeline.Orders.Status.OutstandingMessages.ShouldBe(1);
        Volatile.Write(ref isDown, false);
        await pipeline.Drained();
        pipeline.DeadLetters.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Draining_finishes_what_is_in_flight_and_writes_rows_for_what_waits()
    {
        var store = new InMemoryFactStore();
        var pipeline = PipelineFixture.Start("ecomstream.unmatched { park-after = 1h, grace = 1h }", store);
        pipeline.Orders.Publish(Enumerable.Range(1, 200).Select(id => Shop.OrderData(id)));
        pipeline.Payments.Publish(Enumerable.Range(101, 200).Select(id => Shop.PaymentData(id)));
        await Eventually.True(() => pipeline.Orders.IsDrained && pipeline.Payments.Status.OutstandingMessages == 100, "100 payments wait unacked");
        await pipeline.DisposeAsync();
        pipeline.IsDrained.ShouldBeTrue();
        pipeline.Pipeline.Completion.IsCompletedSuccessfully.ShouldBeTrue();
        store.Unmatched.Count(row => row.State == UnmatchedState.Waiting).ShouldBe(100);
    }

    [Fact]
    public async Task A_store_that_is_not_there_at_the_start_is_waited_for()
    {
        var tries = 0;
        var store = new InMemoryFactStore
        {
            BeforeCall = operation => operation == StoreOperation.Initialize && Interlocked.Increment(ref tries) <= 3
                ? Task.FromException(new StoreUnavailableException("not yet"))
                : Task.CompletedTask,
        };
        await using var pipeline = PipelineFixture.Start(store: store);
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        tries.ShouldBe(4);
        pipeline.Pipeline.Started.IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task A_store_that_will_never_open_fails_the_pipeline_with_its_reason()
    {
        var store = new InMemoryFactStore
        {
            BeforeCall = _ => Task.FromException(new StoreRejectedException("the table has other columns")),
        };
        await using var pipeline = PipelineFixture.Start(store: store);
        var failure = await Should.ThrowAsync<StoreRejectedException>(() => pipeline.Pipeline.Completion.WaitAsync(TimeSpan.FromSeconds(20)));
        failure.Message.ShouldBe("the table has other columns");
        await Should.ThrowAsync<StoreRejectedException>(() => pipeline.Pipeline.Started);
    }

    [Fact]
    public async Task A_subscription_whose_stream_fails_is_read_again()
    {
        var subscription = new InMemorySubscription("orders-sub") { Failure = new InvalidOperationException("torn") };
        await using var pipeline = PipelineFixture.Start("akka.loglevel = OFF", orders: subscription);
        await pipeline.Pipeline.Started;
        pipeline.Orders.Publish(Shop.OrderData(1));
        pipeline.Orders.Failure = null;
        await pipeline.Drained();
        pipeline.Store.Facts.ShouldContainKey(1);
        pipeline.Pipeline.Completion.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Draining_with_the_store_down_ends_within_the_shutdown_timeout_and_acks_nothing()
    {
        var store = new InMemoryFactStore();
        var pipeline = PipelineFixture.Start("ecomstream.shutdown-timeout = 500ms", store);
        await pipeline.Pipeline.Started;
        store.BeforeCall = _ => Task.FromException(new StoreUnavailableException("down"));
        pipeline.Orders.Publish(Enumerable.Range(1, 50).Select(id => Shop.OrderData(id)));
        pipeline.Payments.Publish(Enumerable.Range(1, 50).Select(id => Shop.PaymentData(id)));
        await Eventually.True(() => pipeline.Orders.Status.OutstandingMessages == 50, "they are in flight");
        await pipeline.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        pipeline.Pipeline.Completion.IsCompletedSuccessfully.ShouldBeTrue();
        (pipeline.Orders.Acked + pipeline.Payments.Acked).ShouldBe(0);
    }

    [Fact]
    public async Task Draining_while_the_store_is_still_waited_for_is_no_failure()
    {
        var tries = 0;
        var store = new InMemoryFactStore
        {
            BeforeCall = _ =>
            {
                Interlocked.Increment(ref tries);
                return Task.FromException(new StoreUnavailableException("not there"));
            },
        };
        using var system = Akka.Actor.ActorSystem.Create("draining", Akka.Configuration.ConfigurationFactory
            .ParseString("akka.loglevel = OFF, ecomstream.writer { min-backoff = 5ms, max-backoff = 5ms }")
            .WithFallback(EcomStreamSettings.Reference));
        var closing = new TaskCompletionSource();
        await using var pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(
            store, new SlowToClose(closing.Task), new InMemorySubscription("payments"), new InMemoryPublisher()));
        await Eventually.True(() => Volatile.Read(ref tries) > 1, "the store is waited for");
        var drain = pipeline.DrainAsync();

        // The try that finds itself cancelled comes while the subscriptions are being closed.
        await Task.WhenAny(pipeline.Completion, Task.Delay(200));
        closing.SetResult();
        await drain;
        await pipeline.Completion;
        await system.Terminate();
    }

    [Fact]
    public async Task An_order_that_is_redelivered_or_out_of_date_never_wipes_its_payment()
    {
        await using var pipeline = PipelineFixture.Start();
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        var order = pipeline.Orders.Publish(Shop.OrderData(7, "Shipped"), now + 20);
        pipeline.Payments.Publish(Shop.PaymentData(7), now + 30);
        await pipeline.Drained();
        pipeline.Orders.Redeliver(order, order);
        pipeline.Orders.Publish(Shop.OrderData(7, "Pending"), now + 10);
        await pipeline.Drained();
        var row = pipeline.Store.Facts[7];
        row.Order!.OrderStatus.ShouldBe("Shipped");
        row.Payment!.PaymentId.ShouldBe(1_007);
        pipeline.Publisher.Published.ShouldBeEmpty();
    }

    [Fact]
    public async Task Of_two_payments_of_one_order_that_wait_each_is_given_up_in_its_own_time()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched.grace = 1s");
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        pipeline.Payments.Publish(Shop.PaymentData(7, 1), now - 500_000);
        pipeline.Payments.Publish(Shop.PaymentData(7, 2), now + 500_000);
        await Eventually.True(() => pipeline.DeadLetters.Count == 1, "the first is given up");
        pipeline.DeadLetters.ShouldBe([("1", "no-matching-order")]);

        // It must not be forgotten: no other payment waits that would bring the sweep here.
        await Eventually.True(() => pipeline.DeadLetters.Count == 2, "the second is given up");
        pipeline.DeadLetters.ShouldBe([("1", "no-matching-order"), ("2", "no-matching-order")]);
        await Eventually.True(() => pipeline.Pipeline.Status.WaitingOrders == 0, "nothing waits any more");
    }

    [Fact]
    public async Task A_subscription_that_cannot_be_read_fails_the_pipeline_with_its_reason()
    {
        await using var pipeline = PipelineFixture.Start("akka.loglevel = OFF");
        await pipeline.Pipeline.Started;
        await using var broken = new BrokenStart();
        var failure = await Should.ThrowAsync<SubscriptionFailedException>(() => broken.Pipeline.Completion.WaitAsync(TimeSpan.FromSeconds(20)));
        failure.Message.ShouldBe("no such subscription");
    }

    [Fact]
    public async Task Ten_thousand_orders_through_a_hundred_live_actors_lose_nothing()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.join { max-live-orders = 100, shards = 4, max-vacant = 10 }");
        foreach (var ids in Enumerable.Range(1, 10_000).Chunk(500))
        {
            pipeline.Orders.Publish(ids.Select(id => Shop.OrderData(id)));
        }

        await pipeline.Drained();
        foreach (var ids in Enumerable.Range(1, 10_000).Chunk(500))
        {
            pipeline.Payments.Publish(ids.Select(id => Shop.PaymentData(id)));
        }

        await pipeline.Drained();
        pipeline.Store.Facts.Values.Count(row => row is { Order: not null, Payment: not null }).ShouldBe(10_000);
        pipeline.Publisher.Published.ShouldBeEmpty();
    }

    private sealed class SlowToClose(Task closing) : ISubscription
    {
        public string Name => "orders";

        public SubscriptionStatus Status => default;

        public IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync(CancellationToken stop) => throw new NotSupportedException();

        public ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public OutstandingMessage? OldestOutstanding() => null;

        public Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public async ValueTask DisposeAsync() => await closing;
    }

    private sealed class BrokenStart : IAsyncDisposable
    {
        private readonly Akka.Actor.ActorSystem _system = Akka.Actor.ActorSystem.Create(
            "broken", Akka.Configuration.ConfigurationFactory.ParseString("akka.loglevel = OFF").WithFallback(EcomStreamSettings.Reference));

        public BrokenStart() => Pipeline = EcomStreamPipeline.Start(_system, new EcomStreamPorts(
            new InMemoryFactStore(),
            new InMemorySubscription("orders") { Failure = new SubscriptionFailedException("no such subscription") },
            new InMemorySubscription("payments"),
            new InMemoryPublisher()));

        public EcomStreamPipeline Pipeline { get; }

        public async ValueTask DisposeAsync() => await _system.Terminate();
    }
}
