using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>What happens to dead letters afterwards: replayed, healed from their subscription or by the sweep.</summary>
public sealed class DeadLetterHandlingTests
{
    [Fact]
    public async Task A_replay_without_an_order_waits_again_and_is_dead_lettered_once_more_with_its_count()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Payments.Publish(Shop.PaymentData(5));
        var row = await DeadLettered(pipeline);

        await Replay(pipeline, row);
        await Eventually.True(() => pipeline.Publisher.Published.Count == 2, "the replay is dead-lettered");
        await Eventually.True(() => pipeline.Store.Unmatched.Single() is { State: UnmatchedState.DeadLettered, Replays: 1 }, "its row says so");
        pipeline.Publisher.Published.Select(p => p.Message.Attributes["dead_letter_id"]).ShouldBe(["5-1005", "5-1005"]);
        pipeline.Publisher.Published.Select(p => p.Message.Attributes["replays"]).ShouldBe(["0", "1"]);
        UnmatchedHistory.Lines(pipeline.Store.Unmatched.Single().History).Select(line => line.Split(' ')[1])
            .ShouldBe(["waiting", "dead-lettered", "waiting", "dead-lettered"]);
        await pipeline.Drained();
    }

    [Fact]
    public async Task A_replay_that_finds_its_order_is_joined_and_its_row_is_healed()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Payments.Publish(Shop.PaymentData(5));
        var row = await DeadLettered(pipeline);

        // Another program wrote the order: nothing told this pipeline.
        await pipeline.Store.WriteAsync([OrderWrite(5)], CancellationToken.None);
        await Replay(pipeline, row);
        await pipeline.Drained();
        await Eventually.True(() => pipeline.Store.Unmatched.Single().State == UnmatchedState.Healed, "its row says so");
        pipeline.Store.Facts[5].Payment!.PaymentId.ShouldBe(1_005);
        pipeline.Publisher.Published.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_replayed_payment_that_was_superseded_takes_its_place_back(bool redelivered)
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Orders.Publish(Shop.OrderData(5), 1_000_001);
        pipeline.Payments.Publish(Shop.PaymentData(5, 2), 3_000_001);
        await pipeline.Drained();
        pipeline.Payments.Publish(Shop.PaymentData(5, 1), 2_000_001);
        var row = await DeadLettered(pipeline);
        row.Reason.ShouldBe(DeadLetterReason.Superseded);

        var replay = await Replay(pipeline, row);
        await pipeline.Drained();
        if (redelivered)
        {
            pipeline.Payments.Redeliver(replay);
        }

        await pipeline.Drained();
        pipeline.Store.Facts[5].Payment!.PaymentId.ShouldBe(1);
        await Eventually.True(
            () => pipeline.Store.Unmatched.Single(r => r.PaymentKey == "1").State == UnmatchedState.Healed, "the first is healed");
        pipeline.Store.Unmatched.Single(r => r.PaymentKey == "2").State.ShouldBe(UnmatchedState.DeadLettered);
        pipeline.DeadLetters.Select(letter => letter.PaymentId).ShouldBe(["1", "2"]);
    }

    [Fact]
    public async Task A_malformed_message_that_is_replayed_and_still_malformed_keeps_its_one_row()
    {
        await using var pipeline = PipelineFixture.Start();
        pipeline.Payments.Publish("[1"u8.ToArray(), new Dictionary<string, string> { ["shop"] = "7" });
        var row = await DeadLettered(pipeline);
        row.IsMessage.ShouldBeTrue();
        row.Detail.ShouldContain("byte");
        MessageAttributes.Of(row.AttributesJson).ShouldContainKeyAndValue("shop", "7");

        await Replay(pipeline, row);
        await pipeline.Drained();
        await Eventually.True(() => pipeline.Store.Unmatched.Single().Replays == 1, "its row counts the replay");
        pipeline.Publisher.Published.Select(p => p.Message.Attributes["dead_letter_id"]).ShouldBe([row.Id, row.Id]);
    }

    [Theory]
    [InlineData("superseded payment")]
    [InlineData("malformed payment")]
    [InlineData("malformed payment without an order")]
    [InlineData("malformed order")]
    public async Task A_replay_is_acked_when_its_dead_letter_is_marked_as_healed(string deadLetter)
    {
        // After a crash in between, nothing else would mark it.
        await using var pipeline = PipelineFixture.Start();
        var isOrder = deadLetter == "malformed order";
        if (!isOrder && deadLetter != "malformed payment without an order")
        {
            pipeline.Orders.Publish(Shop.OrderData(5));
        }

        if (deadLetter == "superseded payment")
        {
            pipeline.Payments.Publish(Shop.PaymentData(5, 1), publishTimeMicros: 2_000_001);
            pipeline.Payments.Publish(Shop.PaymentData(5, 2), publishTimeMicros: 3_000_001);
        }
        else
        {
            (isOrder ? pipeline.Orders : pipeline.Payments).Publish("{"u8.ToArray());
        }

        var row = await DeadLettered(pipeline);
        await pipeline.Drained();
        var gate = new TaskCompletionSource();
        var blocked = false;
        pipeline.Store.BeforeWriteUnmatched = rows =>
        {
            if (rows.Any(r => r.Id == row.Id && r.State == UnmatchedState.Healed) && !gate.Task.IsCompleted)
            {
                blocked = true;
                throw new StoreUnavailableException("not now");
            }
        };
        var replay = (row with
        {
            Replays = 1,
            Data = isOrder ? Shop.OrderData(5) : row.IsMessage ? Shop.PaymentData(5) : row.Data,
        }).ToReplay();
        var message = (isOrder ? pipeline.Orders : pipeline.Payments).Publish(replay.Data.ToArray(), replay.Attributes);
        await Eventually.True(() => Volatile.Read(ref blocked), "the row of the dead letter is written");
        message.IsAcked.ShouldBeFalse();
        gate.SetResult();
        await pipeline.Drained();
        pipeline.Store.Unmatched.Single(r => r.Id == row.Id).State.ShouldBe(UnmatchedState.Healed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_malformed_message_that_can_be_read_when_it_is_replayed_is_healed(bool isOrder)
    {
        await using var pipeline = PipelineFixture.Start();
        var source = isOrder ? pipeline.Orders : pipeline.Payments;
        source.Publish("{"u8.ToArray());
        var row = await DeadLettered(pipeline);

        // As a newer version would read it: here the data is mended instead.
        await Replay(pipeline, row with { Data = isOrder ? Shop.OrderData(5) : Shop.PaymentData(5) });
        await Eventually.True(
            () => pipeline.Store.Unmatched.Single(r => r.IsMessage).State == UnmatchedState.Healed, "its row says so");
        if (isOrder)
        {
            pipeline.Store.Facts[5].Order.ShouldNotBeNull();
        }
        else
        {
            pipeline.Store.Unmatched.ShouldContain(r => r.Id == "5-1005");
        }
    }

    [Fact]
    public async Task Dead_letters_of_others_are_joined_with_the_stamp_of_their_source_or_wait_as_dead_letters()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched { heal-from-subscription = dlq_payments_data-sub, grace = 60s }");
        pipeline.Orders.Publish([Shop.OrderData(1), Shop.OrderData(2)], 1_000_001);
        await pipeline.Drained();
        pipeline.Payments.Publish(Shop.PaymentData(2, 22), 9_000_001);
        await pipeline.Drained();

        Letter(pipeline, Shop.PaymentData(1), "no-matching-order", publishedAt: "1970-01-01T00:00:02.000001Z");
        Letter(pipeline, Shop.PaymentData(2, 21), "no-matching-order", publishedAt: "1970-01-01T00:00:03.000001Z");
        Letter(pipeline, Shop.PaymentData(3), "no-matching-order", publishedAt: "1970-01-01T00:00:04.000001Z");
        Letter(pipeline, Shop.PaymentData(4), "superseded", publishedAt: "1970-01-01T00:00:05.000001Z");
        Letter(pipeline, "rubbish"u8.ToArray(), null, null);
        await Eventually.True(() => pipeline.DeadLetterSubscription.IsDrained, "every dead letter is acked");

        pipeline.Store.Facts[1].PaymentStamp.Micros.ShouldBe(2_000_001);
        pipeline.Store.Facts[2].Payment!.PaymentId.ShouldBe(22);
        pipeline.Store.Facts.ShouldNotContainKey(4);
        var rows = pipeline.Store.Unmatched.ToDictionary(row => row.IsMessage ? "message" : row.Id);
        rows["2-21"].Reason.ShouldBe(DeadLetterReason.Superseded);
        rows["3-1003"].State.ShouldBe(UnmatchedState.DeadLettered);
        rows["3-1003"].PublishTimeMicros.ShouldBe(4_000_001);
        rows["message"].Reason.ShouldBe(DeadLetterReason.Malformed);
        rows.Count.ShouldBe(3);
        pipeline.DeadLetters.ShouldBe([("21", "superseded")]);

        pipeline.Orders.Publish(Shop.OrderData(3));
        await pipeline.Drained();
        await Eventually.True(() => pipeline.Store.Unmatched.Single(row => row.OrderId == 3).State == UnmatchedState.Healed, "it heals");
        pipeline.Store.Facts[3].Payment.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_dead_letter_whose_order_another_program_wrote_is_joined_by_the_full_sweep()
    {
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched.full-sweep-interval = 50ms");
        pipeline.Payments.Publish(Shop.PaymentData(5));
        await DeadLettered(pipeline);
        await pipeline.Store.WriteAsync([OrderWrite(5)], CancellationToken.None);
        await Eventually.True(() => pipeline.Store.Unmatched.Single().State == UnmatchedState.Healed, "it heals");
        pipeline.Store.Facts[5].Payment!.PaymentId.ShouldBe(1_005);
    }

    [Fact]
    public async Task A_waiting_row_that_another_program_took_away_no_longer_counts_as_waiting()
    {
        await using var pipeline = PipelineFixture.Start("""
            ecomstream.unmatched.grace = 1s
            ecomstream.unmatched.max-waiting = 0
            """);
        pipeline.Payments.Publish(Shop.PaymentData(5));
        await Eventually.True(() => pipeline.Pipeline.Status.WaitingOrders == 1, "it waits");
        var row = pipeline.Store.Unmatched.Single();
        await pipeline.Store.WriteUnmatchedAsync([row.Become(UnmatchedState.Discarded, 1, "by hand")], CancellationToken.None);
        await Eventually.True(() => pipeline.Pipeline.Status.WaitingOrders == 0, "it no longer does");
        pipeline.Publisher.Published.ShouldBeEmpty();
        pipeline.Store.Unmatched.Single().State.ShouldBe(UnmatchedState.Discarded);
    }

    [Fact]
    public async Task Waiting_payments_beyond_the_bound_leave_memory_and_are_joined_all_the_same()
    {
        const int Count = 500;
        await using var pipeline = PipelineFixture.Start("""
            ecomstream.unmatched { grace = 60s, park-after = 10ms, max-waiting = 8 }
            ecomstream.join { shards = 2, passivate-after = 1h }
            """);
        pipeline.Payments.Publish(Enumerable.Range(1, Count).Select(id => Shop.PaymentData(id)));
        await pipeline.Drained();
        pipeline.Pipeline.Status.WaitingOrders.ShouldBe(Count);

        // An order in memory needs no read of its unmatched rows; one that has left memory does.
        var reads = 0;
        pipeline.Store.BeforeCall = operation =>
        {
            if (operation == StoreOperation.ReadUnmatched)
            {
                Interlocked.Increment(ref reads);
            }

            return Task.CompletedTask;
        };
        var loaded = 0L;
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "ecomstream.rows.read")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, rows, _, _) => Interlocked.Add(ref loaded, rows));
        listener.Start();
        pipeline.Orders.Publish(Enumerable.Range(1, Count).Select(id => Shop.OrderData(id)));
        await pipeline.Drained();
        await Eventually.True(() => pipeline.Store.Unmatched.All(row => row.State == UnmatchedState.Healed), "all are healed");
        pipeline.Store.Facts.Values.Count(row => row.Order != null && row.Payment != null).ShouldBe(Count);
        Interlocked.Read(ref loaded).ShouldBeGreaterThanOrEqualTo(Count - 16);
        reads.ShouldBeGreaterThan(0);
    }

    private static FactWrite OrderWrite(long orderId) =>
        new() { OrderId = orderId, Order = new Order { OrderId = orderId }, OrderStamp = new Stamp(1) };

    private static async Task<UnmatchedPayment> DeadLettered(PipelineFixture pipeline)
    {
        await Eventually.True(() => pipeline.Store.Unmatched.Any(row => row.State == UnmatchedState.DeadLettered), "it is dead-lettered");
        return pipeline.Store.Unmatched.Single();
    }

    private static void Letter(PipelineFixture pipeline, byte[] data, string? reason, string? publishedAt)
    {
        var attributes = new Dictionary<string, string>();
        if (reason is not null)
        {
            attributes["reason"] = reason;
        }

        if (publishedAt is not null)
        {
            attributes["source_publish_time"] = publishedAt;
            attributes["source_message_id"] = "77";
            attributes["source_subscription"] = "payments-elsewhere";
        }

        pipeline.DeadLetterSubscription.Publish(data, attributes);
    }

    // What an operator's command does.
    private static async Task<InMemoryDelivery> Replay(PipelineFixture pipeline, UnmatchedPayment row)
    {
        var counted = row with { Replays = row.Replays + 1 };
        await pipeline.Store.WriteUnmatchedAsync([counted], CancellationToken.None);
        var message = counted.ToReplay();
        return (row.Subscription == pipeline.Orders.Name ? pipeline.Orders : pipeline.Payments)
            .Publish(message.Data.ToArray(), message.Attributes);
    }
}
