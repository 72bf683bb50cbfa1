using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>One thing that fails for good stops only itself.</summary>
public sealed class FailureIsolationTests
{
    [Fact]
    public async Task Without_the_orders_dead_letter_topic_payments_are_still_parked_dead_lettered_and_joined()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Publisher.BeforeCall = topic => topic == "dlq_orders_data"
            ? Task.FromException(new PublishFailedException("no such topic"))
            : Task.CompletedTask;
        var malformed = pipeline.Orders.Publish("{"u8.ToArray());
        await Eventually.True(() => pipeline.Orders.Status.OutstandingMessages == 1, "the malformed order is received");
        pipeline.Payments.Publish([Shop.PaymentData(1), Shop.PaymentData(2)]);
        await Eventually.True(() => pipeline.DeadLetters.Count == 2, "payments without an order are dead-lettered");
        pipeline.Orders.Publish(Shop.OrderData(1));
        await Eventually.True(() => pipeline.Store.Facts.GetValueOrDefault(1)?.Payment is not null, "a late order is joined");
        malformed.IsAcked.ShouldBeFalse();
        pipeline.Publisher.BeforeCall = null;
        await Eventually.True(() => malformed.IsAcked, "the malformed order is dead-lettered when its topic exists");
    }

    [Fact]
    public async Task Messages_beyond_the_bound_for_a_topic_that_refuses_are_kept_in_their_rows_and_do_not_stop_the_subscription()
    {
        await using var pipeline = PipelineFixture.Start(maxOutstanding: DeadLetterSink.MostHeld + 100);
        pipeline.Publisher.BeforeCall = _ => Task.FromException(new PublishFailedException("no such topic"));
        for (var i = 0; i < 20; i++)
        {
            pipeline.Orders.Publish(Enumerable.Repeat("{"u8.ToArray(), 100));
        }

        pipeline.Orders.Publish(Shop.OrderData(7));
        await Eventually.True(() => pipeline.Store.Facts.ContainsKey(7), "an order behind 2,000 malformed messages is written");
        pipeline.Store.Unmatched.ShouldContain(row => row.History.Contains("not published"));
    }

    [Fact]
    public async Task Messages_beyond_the_bound_that_came_before_the_topic_refused_are_kept_in_their_rows_too()
    {
        await using var pipeline = PipelineFixture.Start(maxOutstanding: DeadLetterSink.MostHeld + 100);
        var refuses = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pipeline.Publisher.BeforeCall = async _ =>
        {
            await refuses.Task;
            throw new PublishFailedException("no such topic");
        };
        for (var i = 0; i < 20; i++)
        {
            pipeline.Orders.Publish(Enumerable.Repeat("{"u8.ToArray(), 100));
        }

        pipeline.Orders.Publish(Shop.OrderData(7));
        await Eventually.True(
            () => pipeline.Orders.Status.OutstandingMessages == DeadLetterSink.MostHeld + 100, "as many are received as the subscription allows");
        await Task.Delay(200);
        refuses.SetResult();
        await Eventually.True(() => pipeline.Store.Facts.ContainsKey(7), "an order behind 2,000 malformed messages is written");
    }

    [Fact]
    public async Task A_dead_letter_that_the_service_never_accepts_is_kept_in_its_row_and_the_others_are_published()
    {
        await using var pipeline = PipelineFixture.Start();
        var bad = new HashSet<string>();
        pipeline.Publisher.BeforePublish = (_, messages) =>
        {
            if (messages.Any(m => m.Data.Span.SequenceEqual("bad"u8)))
            {
                throw new PublishFailedException("too large", fault: PublishFault.Message);
            }
        };
        pipeline.Payments.Publish(["bad"u8.ToArray(), "worse"u8.ToArray(), "worst"u8.ToArray()]);
        await pipeline.Drained();
        pipeline.Publisher.Published.Count.ShouldBe(2);
        var kept = pipeline.Store.Unmatched.Single(row => row.Data.Span.SequenceEqual("bad"u8));
        kept.History.ShouldContain("too large");
        bad.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_unmatched_row_that_the_store_rejects_holds_up_only_its_order()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Store.BeforeWriteUnmatched = rows =>
        {
            if (rows.Any(row => row.OrderId == 5))
            {
                throw new StoreRejectedException("not this one");
            }
        };
        pipeline.Payments.Publish(Enumerable.Range(1, 20).Select(id => Shop.PaymentData(id)));
        await Eventually.True(() => pipeline.Payments.Acked == 19, "the others have their rows");
        pipeline.Store.BeforeWriteUnmatched = null;
        await pipeline.Drained();
    }

    [Fact]
    public async Task A_payment_that_an_operator_discarded_stays_discarded_when_it_is_redelivered()
    {
        await using var pipeline = PipelineFixture.Start();
        var payment = await DiscardAsync(pipeline);
        pipeline.Payments.Redeliver(payment);
        await pipeline.Drained();
        pipeline.Payments.Publish(Shop.PaymentData(2));
        await Eventually.True(() => pipeline.DeadLetters.Count == 2, "a later payment is dead-lettered");
        pipeline.Store.Unmatched.Single(r => r.OrderId == 1).State.ShouldBe(UnmatchedState.Discarded);
        pipeline.DeadLetters.Count(letter => letter.PaymentId == "1001").ShouldBe(1);
    }

    [Fact]
    public async Task A_discarded_payment_that_is_redelivered_after_its_order_stays_discarded()
    {
        await using var pipeline = PipelineFixture.Start();
        var discarded = await DiscardAsync(pipeline);
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        pipeline.Payments.Redeliver(discarded);
        await pipeline.Drained();
        pipeline.Store.Facts[1].Payment.ShouldBeNull();
        pipeline.Store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);

        // A newer message of the payment is joined.
        pipeline.Payments.Publish(Shop.PaymentData(1), publishTimeMicros: Timestamps.Micros(DateTimeOffset.UtcNow) + 1_000_001);
        await Eventually.True(() => pipeline.Store.Facts[1].Payment is not null, "the newer message is joined");
    }

    [Fact]
    public async Task A_discarded_payment_that_is_redelivered_just_before_its_order_stays_discarded()
    {
        // It waits in memory when the order comes: its row is not looked at for that long otherwise.
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched.park-after = 2s, ecomstream.unmatched.grace = 3s");
        var discarded = await DiscardAsync(pipeline);
        pipeline.Payments.Redeliver(discarded);
        await Eventually.True(
            async () => pipeline.Payments.IsDrained || await pipeline.Pipeline.InspectAsync(1, TimeSpan.FromSeconds(5)) is { Waiting.Length: > 0 },
            "it is acked, or waits in memory");
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        pipeline.Store.Facts[1].Payment.ShouldBeNull();
        pipeline.Store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
    }

    [Fact]
    public async Task A_payment_that_was_discarded_before_the_start_stays_discarded_when_its_order_is_there()
    {
        await using var publishedBefore = new InMemorySubscription("payments-sub");
        var store = new InMemoryFactStore();
        var payment = Shop.Payment(publishedBefore, 1);
        await store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1)], CancellationToken.None);
        await using var pipeline = PipelineFixture.Start(store: store);
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        pipeline.Payments.Publish(payment.Delivery.Data.ToArray(), publishTimeMicros: payment.Delivery.PublishTimeMicros);
        await pipeline.Drained();
        store.Facts[1].Payment.ShouldBeNull();
    }

    [Fact]
    public async Task A_payment_of_two_that_was_discarded_stays_discarded_when_the_other_one_is_healed()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Payments.Publish(Shop.PaymentData(1, 1), publishTimeMicros: 2_000_001);
        await Eventually.True(() => pipeline.DeadLetters.Count == 1, "the first payment is dead-lettered");
        var newest = pipeline.Payments.Publish(Shop.PaymentData(1, 2), publishTimeMicros: 3_000_001);
        var row = await RowAsync(pipeline, "2");
        await pipeline.Store.WriteUnmatchedAsync([row.Become(UnmatchedState.Discarded, 1, "by an operator")], CancellationToken.None);

        pipeline.Orders.Publish(Shop.OrderData(1));
        await Eventually.True(() => pipeline.Store.Facts.TryGetValue(1, out var fact) && fact.Payment is not null, "the first payment is healed");
        await pipeline.Drained();
        pipeline.Payments.Redeliver(newest);
        await pipeline.Drained();
        pipeline.Store.Facts[1].Payment!.PaymentId.ShouldBe(1);
    }

    [Fact]
    public async Task A_payment_that_is_discarded_while_another_one_of_its_order_waits_is_not_joined()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched.grace = 30s");
        var now = Timestamps.Micros(DateTimeOffset.UtcNow);
        pipeline.Payments.Publish(Shop.PaymentData(1, 1), publishTimeMicros: now - 31_000_000);
        pipeline.Payments.Publish(Shop.PaymentData(1, 2), publishTimeMicros: now);
        var row = await RowAsync(pipeline, "1");
        await pipeline.Store.WriteUnmatchedAsync([row.Become(UnmatchedState.Discarded, 1, "by an operator")], CancellationToken.None);
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        await Eventually.True(() => pipeline.Store.Unmatched.Any(row => row.State == UnmatchedState.Healed), "the second payment is healed");
        pipeline.Store.Facts[1].Payment!.PaymentId.ShouldBe(2);
        pipeline.Store.Unmatched.Single(row => row.PaymentKey == "1").State.ShouldBe(UnmatchedState.Discarded);
        pipeline.DeadLetters.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_replay_that_was_discarded_stays_discarded_when_it_is_delivered_again_after_its_order()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Payments.Publish(Shop.PaymentData(1));
        await Eventually.True(() => pipeline.DeadLetters.Count == 1, "it is dead-lettered");
        var row = pipeline.Store.Unmatched.Single();
        var message = (row with { Replays = 1 }).ToReplay();
        var replay = pipeline.Payments.Publish(message.Data.ToArray(), message.Attributes, row.PublishTimeMicros + 1);
        await Eventually.True(
            () => pipeline.Store.Unmatched.Single() is { State: UnmatchedState.DeadLettered } again && again.MessageId == replay.MessageId,
            "its replay is dead-lettered");
        row = pipeline.Store.Unmatched.Single();
        await pipeline.Store.WriteUnmatchedAsync([row.Become(UnmatchedState.Discarded, 1, "by an operator")], CancellationToken.None);
        pipeline.Orders.Publish(Shop.OrderData(1));
        await pipeline.Drained();
        pipeline.Payments.Redeliver(replay);
        await pipeline.Drained();
        pipeline.Store.Facts[1].Payment.ShouldBeNull();
        pipeline.Store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
        pipeline.DeadLetters.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_malformed_message_that_an_operator_discarded_is_not_dead_lettered_again()
    {
        await using var pipeline = PipelineFixture.Start();
        var malformed = pipeline.Payments.Publish("bad"u8.ToArray());
        await Eventually.True(() => pipeline.Publisher.Published.Count == 1, "it is dead-lettered");
        pipeline.Payments.Redeliver(malformed);
        await pipeline.Drained();
        var row = pipeline.Store.Unmatched.Single();
        await pipeline.Store.WriteUnmatchedAsync([row.Become(UnmatchedState.Discarded, 1, "by an operator")], CancellationToken.None);
        pipeline.Payments.Redeliver(malformed);
        await pipeline.Drained();
        pipeline.Store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
        pipeline.Publisher.Published.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_dead_letter_of_a_payment_carries_its_original_bytes_and_attributes()
    {
        await using var pipeline = PipelineFixture.Start();
        var data = """{"order_id": 5, "payment_id": 1, "amount": 99.50, "currency": "EUR"}"""u8.ToArray();
        pipeline.Orders.Publish(Shop.OrderData(5));
        pipeline.Payments.Publish(data, new Dictionary<string, string> { ["tenant"] = "acme" }, publishTimeMicros: 2_000_001);
        pipeline.Payments.Publish(Shop.PaymentData(5, 2), publishTimeMicros: 3_000_001);
        await Eventually.True(() => pipeline.Publisher.Published.Count == 1, "the older payment is superseded");
        var (_, letter) = pipeline.Publisher.Published[0];
        letter.Attributes["reason"].ShouldBe("superseded");
        letter.Attributes["payment_id"].ShouldBe("1");
        if (!letter.Attributes.ContainsKey(EcomStream.Core.DeadLetter.Rebuilt))
        {
            letter.Data.ToArray().ShouldBe(data);
            letter.Attributes["tenant"].ShouldBe("acme");
            letter.Attributes["source_subscription"].ShouldBe("payments-sub");
        }
    }

    [Fact]
    public async Task Payments_with_different_texts_as_ids_do_not_overwrite_each_other()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Orders.Publish(Shop.OrderData(1));
        pipeline.Payments.Publish("""{"order_id": 1, "payment_id": "pi_A"}"""u8.ToArray(), 2_000_001);
        await pipeline.Drained();
        pipeline.Payments.Publish("""{"order_id": 1, "payment_id": "pi_B"}"""u8.ToArray(), 3_000_001);
        await pipeline.Drained();
        pipeline.DeadLetters.ShouldHaveSingleItem().Reason.ShouldBe("superseded");

        // Without an order both wait, each in a row of its own.
        pipeline.Payments.Publish(["""{"order_id": 2, "payment_id": "pi_A"}"""u8.ToArray(), """{"order_id": 2}"""u8.ToArray()]);
        await Eventually.True(() => pipeline.Store.Unmatched.Count(row => row.OrderId == 2) == 2, "both have rows");
    }

    // A payment without an order that was dead-lettered and then discarded by another program.
    private static async Task<InMemoryDelivery> DiscardAsync(PipelineFixture pipeline)
    {
        var payment = pipeline.Payments.Publish(Shop.PaymentData(1));
        var row = await RowAsync(pipeline, "1001");
        await pipeline.Store.WriteUnmatchedAsync([row.Become(UnmatchedState.Discarded, 1, "by an operator")], CancellationToken.None);
        return payment;
    }

    // The row of a payment once it says that the payment is dead-lettered.
    private static async Task<UnmatchedPayment> RowAsync(PipelineFixture pipeline, string paymentKey)
    {
        await Eventually.True(
            () => pipeline.Store.Unmatched.Any(row => row.PaymentKey == paymentKey && row.State == UnmatchedState.DeadLettered), $"payment {paymentKey} is dead-lettered");
        return pipeline.Store.Unmatched.Single(row => row.PaymentKey == paymentKey);
    }
}
