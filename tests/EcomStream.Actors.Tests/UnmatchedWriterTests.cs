using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit.Xunit2;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

public sealed class UnmatchedWriterTests : TestKit
{
    private readonly InMemorySubscription _payments = new("payments-sub");
    private readonly InMemoryFactStore _store = new();
    private readonly InMemoryPublisher _publisher = new();
    private readonly UnmatchedIndex _index = new();
    private readonly string _pipeline = $"{Guid.NewGuid():n}";
    private readonly EcomStreamMetrics _metrics;
    private readonly IActorRef _sink;
    private int _rejections;
    private int _mostRows;

    public UnmatchedWriterTests()
        : base(TestConfiguration.Reference)
    {
        var settings = EcomStreamSettings.Read(ConfigurationFactory.ParseString("ecomstream.dead-letters { min-backoff = 10ms, max-backoff = 20ms }"));
        _metrics = new EcomStreamMetrics(_pipeline);
        var sink = Sys.ActorOf(DeadLetterSink.Props(_publisher, settings.DeadLetterBackoff, _metrics));
        _sink = Sys.ActorOf(UnmatchedWriter.Props(settings, _store, sink, _index, _metrics, TimeProvider.System));
    }

    protected override void AfterAll()
    {
        _metrics.Dispose();
        base.AfterAll();
    }

    [Fact]
    public async Task A_waiting_payment_is_acked_when_its_row_is_written_and_then_listed_in_the_index()
    {
        var gate = new TaskCompletionSource();
        _store.BeforeCall = operation => operation == StoreOperation.WriteUnmatched ? gate.Task : Task.CompletedTask;
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectNoMsgAsync(TimeSpan.FromMilliseconds(150));
        _payments.Acked.ShouldBe(0);
        _index.Contains(1).ShouldBeFalse();
        gate.SetResult();
        await ExpectMsgAsync<PaymentsParked>();
        _payments.Acked.ShouldBe(1);
        _index.Contains(1).ShouldBeTrue();
        var row = _store.Unmatched.ShouldHaveSingleItem();
        row.State.ShouldBe(UnmatchedState.Waiting);
        row.Data.ToArray().ShouldBe(payment.Delivery.Data.ToArray());
        row.Subscription.ShouldBe("payments-sub");
        row.MessageId.ShouldBe(payment.Delivery.MessageId);
    }

    [Fact]
    public async Task A_dead_letter_is_acked_when_it_is_published_and_its_row_written()
    {
        var gate = new TaskCompletionSource();
        _publisher.BeforeCall = _ => gate.Task;
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1), DeadLetterReason.NoMatchingOrder)));
        await ExpectNoMsgAsync(TimeSpan.FromMilliseconds(150));
        _payments.Acked.ShouldBe(0);
        gate.SetResult();
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _payments.Acked.ShouldBe(1);
        var (topic, message) = _publisher.Published.ShouldHaveSingleItem();
        topic.ShouldBe("dlq_payments_data");
        message.Attributes["reason"].ShouldBe("no-matching-order");
        message.Attributes["order_id"].ShouldBe("1");
        message.Attributes["payment_id"].ShouldBe("1001");
        message.Attributes["dead_letter_id"].ShouldBe("1-1001");
        _store.Unmatched.Single().State.ShouldBe(UnmatchedState.DeadLettered);
    }

    [Fact]
    public async Task A_redelivery_of_what_was_dead_lettered_is_acked_and_not_published_again()
    {
        for (var delivery = 0; delivery < 3; delivery++)
        {
            _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1), DeadLetterReason.Superseded)));
            await ExpectMsgAsync<PaymentsDeadLettered>();
        }

        _payments.Acked.ShouldBe(3);
        _publisher.Published.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_row_that_cannot_be_written_after_the_publish_is_tried_again_without_another_publish()
    {
        var failures = 0;
        _store.BeforeCall = operation => operation == StoreOperation.WriteUnmatched && Interlocked.Increment(ref failures) <= 3
            ? Task.FromException(new StoreUnavailableException("down"))
            : Task.CompletedTask;
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1), DeadLetterReason.NoMatchingOrder)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        failures.ShouldBe(4);
        _publisher.Published.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_healed_payment_leaves_the_index_and_its_row_says_so()
    {
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        _sink.Tell(Answers.Heal(payment));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        _store.Unmatched.Single().State.ShouldBe(UnmatchedState.Healed);
        _index.Contains(1).ShouldBeFalse();
        _index.Waiting.ShouldBe(0);
    }

    [Fact]
    public async Task A_waiting_payment_that_turns_out_superseded_no_longer_counts_as_waiting()
    {
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        _index.Waiting.ShouldBe(1);
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(payment, DeadLetterReason.Superseded)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _index.Waiting.ShouldBe(0);
        _store.Unmatched.Single().Reason.ShouldBe(DeadLetterReason.Superseded);
    }

    [Fact]
    public async Task A_payment_that_still_waits_is_not_hidden_by_another_one_of_its_order_that_was_given_up()
    {
        var (first, second) = (Shop.Payment(_payments, 1, paymentId: 1), Shop.Payment(_payments, 1, paymentId: 2));
        _sink.Tell(Answers.Park(TestActor, first, second));
        await ExpectMsgAsync<PaymentsParked>();
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(first, DeadLetterReason.NoMatchingOrder)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _index.Waiting.ShouldBe(1);
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(second, DeadLetterReason.NoMatchingOrder)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _index.Waiting.ShouldBe(0);
        _index.Contains(1).ShouldBeTrue();
    }

    [Fact]
    public async Task An_order_stays_in_the_index_until_the_last_of_its_payments_is_healed_or_superseded()
    {
        var (loser, winner) = (Shop.Payment(_payments, 1, paymentId: 1), Shop.Payment(_payments, 1, paymentId: 2));
        _sink.Tell(Answers.Park(TestActor, loser, winner));
        await ExpectMsgAsync<PaymentsParked>();
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(loser, DeadLetterReason.Superseded)));
        await ExpectMsgAsync<PaymentsDeadLettered>();

        // The winner's fact is not written yet: should the order be forgotten now, its next message must read the rows.
        _index.Contains(1).ShouldBeTrue();
        _sink.Tell(Answers.Heal(winner));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        _index.Contains(1).ShouldBeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_dead_letter_is_the_newest_message_of_its_payment(bool newestFirst)
    {
        var old = Shop.Payment(_payments, 1, paymentId: 1, at: 2_000_001, status: "Pending");
        var newest = Shop.Payment(_payments, 1, paymentId: 1, at: 3_000_001, status: "Completed");
        PaymentReceived[] messages = newestFirst ? [newest, old] : [old, newest];
        _sink.Tell(Answers.Park(TestActor, messages));
        await ExpectMsgAsync<PaymentsParked>();
        _sink.Tell(Answers.DeadLetter(TestActor, [.. messages.Select(m => new DeadLetterPayment(m, DeadLetterReason.NoMatchingOrder))]));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        var letter = _publisher.Published.ShouldHaveSingleItem().Message;
        letter.Data.ToArray().ShouldBe(newest.Delivery.Data.ToArray());
        letter.Attributes["source_message_id"].ShouldBe(newest.Delivery.MessageId);
        _store.Unmatched.Single().Data.ToArray().ShouldBe(newest.Delivery.Data.ToArray());
        _payments.Acked.ShouldBe(2);
    }

    [Fact]
    public async Task An_older_message_does_not_dead_letter_a_payment_that_waits_with_a_newer_one()
    {
        var newest = Shop.Payment(_payments, 1, paymentId: 1, at: 3_000_001, status: "Completed");
        _sink.Tell(Answers.Park(TestActor, newest));
        await ExpectMsgAsync<PaymentsParked>();
        var old = Shop.Payment(_payments, 1, paymentId: 1, at: 2_000_001, status: "Pending");
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(old, DeadLetterReason.NoMatchingOrder)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _publisher.Published.ShouldBeEmpty();
        var row = _store.Unmatched.ShouldHaveSingleItem();
        (row.State, row.MessageId).ShouldBe((UnmatchedState.Waiting, newest.Delivery.MessageId));
    }

    [Fact]
    public async Task A_payment_that_was_superseded_while_its_fact_was_being_written_is_not_called_healed()
    {
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(payment, DeadLetterReason.Superseded)));
        _sink.Tell(Answers.Heal(payment));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<PaymentsDeadLettered>();
        await ExpectMsgAsync<UnmatchedDrained>();
        var row = _store.Unmatched.ShouldHaveSingleItem();
        row.State.ShouldBe(UnmatchedState.DeadLettered);
        row.Reason.ShouldBe(DeadLetterReason.Superseded);
    }

    [Fact]
    public async Task A_malformed_message_is_acked_when_it_is_published_and_the_publish_is_tried_until_then()
    {
        var failures = 0;
        _publisher.BeforeCall = _ => Interlocked.Increment(ref failures) <= 3
            ? Task.FromException(new PublishFailedException("no topic"))
            : Task.CompletedTask;
        var delivery = _payments.Publish("rubbish"u8.ToArray());
        _sink.Tell(new DeadLetterMessage(delivery, "somewhere", DeadLetterReason.Malformed, "at byte 0", null, null));
        await Eventually.True(() => delivery.IsAcked, "it is acked");
        failures.ShouldBe(4);
        var (topic, message) = _publisher.Published.ShouldHaveSingleItem();
        topic.ShouldBe("somewhere");
        message.Data.ToArray().ShouldBe("rubbish"u8.ToArray());
        message.Attributes["dead_letter_id"].ShouldBe($"payments-sub-{delivery.MessageId}");
        var row = _store.Unmatched.ShouldHaveSingleItem();
        row.Id.ShouldBe($"payments-sub-{delivery.MessageId}");
        row.IsMessage.ShouldBeTrue();
        row.Reason.ShouldBe(DeadLetterReason.Malformed);
        row.Detail.ShouldBe("at byte 0");
        row.Data.ToArray().ShouldBe("rubbish"u8.ToArray());
    }

    [Fact]
    public async Task A_dead_letter_that_was_discarded_by_an_operator_is_not_published_again()
    {
        var payment = Shop.Payment(_payments, 1);
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1) with { Replays = 2 }],
            CancellationToken.None);
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(payment, DeadLetterReason.Superseded)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _publisher.Published.ShouldBeEmpty();
        var row = _store.Unmatched.ShouldHaveSingleItem();
        row.State.ShouldBe(UnmatchedState.Discarded);
        row.Replays.ShouldBe(2);
    }

    [Fact]
    public async Task A_row_whose_data_an_operator_has_corrected_keeps_it_when_the_original_message_is_delivered_again()
    {
        var payment = Shop.Payment(_payments, 1, status: "Pending");
        var corrected = Shop.Payment(_payments, 1, status: "Completed").Delivery.Data;
        foreach (var state in (UnmatchedState[])[UnmatchedState.DeadLettered, UnmatchedState.Discarded])
        {
            await _store.WriteUnmatchedAsync(
                [UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, state, 1) with { Data = corrected }], CancellationToken.None);
            _sink.Tell(Answers.Park(TestActor, payment));
            await ExpectMsgAsync<PaymentsParked>();
            var row = _store.Unmatched.ShouldHaveSingleItem();
            row.State.ShouldBe(state);
            row.Data.ToArray().ShouldBe(corrected.ToArray());
        }
    }

    [Fact]
    public async Task A_newer_message_of_a_discarded_payment_is_dead_lettered_when_another_payment_supersedes_it()
    {
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(Shop.Payment(_payments, 1), DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1)],
            CancellationToken.None);
        var newer = Shop.Payment(_payments, 1, at: 9_000_001, status: "Refunded");
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(newer, DeadLetterReason.Superseded)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _publisher.Published.ShouldHaveSingleItem().Message.Data.ToArray().ShouldBe(newer.Delivery.Data.ToArray());
        _store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.DeadLettered);
    }

    [Fact]
    public async Task A_newer_message_of_a_dead_lettered_payment_updates_its_row_and_is_not_published()
    {
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1), DeadLetterReason.NoMatchingOrder)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        var newer = Shop.Payment(_payments, 1, at: 9_000_001, status: "Refunded");
        _sink.Tell(Answers.Park(TestActor, newer));
        await ExpectMsgAsync<PaymentsParked>();
        var row = _store.Unmatched.ShouldHaveSingleItem();
        row.State.ShouldBe(UnmatchedState.DeadLettered);
        row.Data.ToArray().ShouldBe(newer.Delivery.Data.ToArray());
        _publisher.Published.Count.ShouldBe(1);

        // An older one is acked and changes nothing.
        _sink.Tell(Answers.Park(TestActor, Shop.Payment(_payments, 1, at: 3_000_001, status: "Pending")));
        await ExpectMsgAsync<PaymentsParked>();
        _store.Unmatched.Single().Data.ToArray().ShouldBe(newer.Delivery.Data.ToArray());
        _payments.Acked.ShouldBe(3);
    }

    [Fact]
    public async Task An_order_with_a_thousand_discarded_payments_leaves_the_index_when_its_last_waiting_payment_is_healed()
    {
        await WriteDiscardedAsync(UnmatchedWriter.UnjoinedLimit);
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        _index.IsWaiting(1).ShouldBeTrue();
        _sink.Tell(Answers.Heal(payment));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        _index.Waiting.ShouldBe(0);
        _index.Contains(1).ShouldBeFalse();
        _index.MayHaveDiscarded(1).ShouldBeTrue();
    }

    [Fact]
    public async Task An_order_with_a_thousand_dead_lettered_payments_does_not_count_as_waiting_when_none_waits()
    {
        await _store.WriteUnmatchedAsync(
            [
                .. Enumerable.Range(1, UnmatchedWriter.UnjoinedLimit + 1).Select(id => UnmatchedRows.Encode(
                    Shop.Payment(_payments, 1, paymentId: id), DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1)),
            ],
            CancellationToken.None);
        var payment = Shop.Payment(_payments, 1, paymentId: 9_999);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        _index.IsWaiting(1).ShouldBeTrue();
        _sink.Tell(Answers.Heal(payment));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        _index.IsWaiting(1).ShouldBeFalse();
        _index.Contains(1).ShouldBeTrue();
    }

    [Fact]
    public async Task Of_an_order_whose_discarded_rows_were_deleted_payments_are_not_checked_any_more()
    {
        _index.SetDiscarded(1);
        _sink.Tell(new RefreshIndex(1));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        _index.MayHaveDiscarded(1).ShouldBeFalse();
    }

    [Fact]
    public async Task A_payment_whose_row_was_dead_lettered_before_does_not_wait_in_memory_when_it_is_delivered_again()
    {
        var payment = Shop.Payment(_payments, 1);
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1)], CancellationToken.None);
        var waits = Shop.Payment(_payments, 1, paymentId: 7);
        _sink.Tell(Answers.Park(TestActor, payment, waits));
        (await ExpectMsgAsync<PaymentsParked>()).NotWaiting.ShouldBe([payment]);
    }

    [Fact]
    public async Task A_write_that_took_effect_and_failed_all_the_same_does_not_undo_a_discard_when_it_is_repeated()
    {
        using var deadLettered = new CounterReader("ecomstream.messages.dead_lettered", _pipeline);
        _store.BeforeWriteUnmatched = rows =>
        {
            _store.BeforeWriteUnmatched = null;
            rows.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.DeadLettered);

            // The answer is lost, and an operator discards the row before the next attempt.
            _ = _store.WriteUnmatchedAsync([rows[0].Become(UnmatchedState.Discarded, 2, "by an operator")], CancellationToken.None).AsTask();
            throw new StoreUnavailableException("timed out");
        };
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(payment, DeadLetterReason.NoMatchingOrder)));
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _store.Unmatched.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
        _publisher.Published.Count.ShouldBe(1);
        await AwaitAssertAsync(() => deadLettered.Value.ShouldBe(1));
    }

    [Fact]
    public async Task A_write_that_took_effect_does_not_undo_a_discard_when_its_batch_is_divided_because_of_another_order()
    {
        var gate = HoldTheWriter();

        var attempts = 0;
        _store.BeforeWriteUnmatched = rows =>
        {
            if (rows.Any(row => row.State == UnmatchedState.Discarded))
            {
                return;
            }

            switch (++attempts)
            {
                case 1:
                    rows.Count.ShouldBe(2);
                    _ = _store.WriteUnmatchedAsync([rows.Single(row => row.OrderId == 1).Become(UnmatchedState.Discarded, 2, "by an operator")], CancellationToken.None).AsTask();
                    throw new StoreUnavailableException("timed out");
                case var _ when rows.Any(row => row.OrderId == 2 && !row.Data.IsEmpty):
                    throw new StoreRejectedException("the row is too large");
            }
        };
        foreach (var order in (long[])[1, 2])
        {
            _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, order), DeadLetterReason.NoMatchingOrder)));
        }

        gate.SetResult();
        await ExpectMsgAsync<PaymentsDeadLettered>();
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _store.Unmatched.Single(row => row.OrderId == 1).State.ShouldBe(UnmatchedState.Discarded);
        _store.Unmatched.Single(row => row.OrderId == 2).Data.IsEmpty.ShouldBeTrue();
        _publisher.Published.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_payment_that_waits_keeps_its_data_when_the_store_rejects_another_row_of_its_order()
    {
        var gate = HoldTheWriter();

        RejectRows(row => row.PaymentKey == "2" && !row.Data.IsEmpty);
        _sink.Tell(Answers.Park(TestActor, Shop.Payment(_payments, 1, paymentId: 1)));
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1, paymentId: 2), DeadLetterReason.Superseded)));
        gate.SetResult();
        await ExpectMsgAsync<PaymentsParked>();
        await ExpectMsgAsync<PaymentsDeadLettered>();
        _store.Unmatched.Single(row => row.PaymentKey == "1").Data.IsEmpty.ShouldBeFalse();
        _store.Unmatched.Single(row => row.PaymentKey == "2").Data.IsEmpty.ShouldBeTrue();
        _mostRows.ShouldBe(2);
    }

    [Fact]
    public async Task A_dead_letter_that_the_store_rejects_even_without_its_data_does_not_take_a_waiting_payment_with_it()
    {
        var gate = HoldTheWriter();

        RejectRows(row => row.PaymentKey == "2");
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1, paymentId: 2), DeadLetterReason.Superseded)));
        _sink.Tell(Answers.Park(TestActor, Shop.Payment(_payments, 1, paymentId: 1)));
        gate.SetResult();
        await ExpectMsgAsync<PaymentsDeadLettered>();
        await ExpectMsgAsync<PaymentsParked>();
        _store.Unmatched.ShouldHaveSingleItem().PaymentKey.ShouldBe("1");
        _publisher.Published.Count.ShouldBe(1);
        _mostRows.ShouldBe(2);
    }

    [Fact]
    public async Task A_row_that_must_keep_its_data_does_not_keep_another_row_of_its_order_from_being_written()
    {
        var gate = HoldTheWriter();

        RejectRows(row => row.PaymentKey == "1");
        _sink.Tell(Answers.Park(TestActor, Shop.Payment(_payments, 1, paymentId: 1)));
        _sink.Tell(Answers.DeadLetter(TestActor, new DeadLetterPayment(Shop.Payment(_payments, 1, paymentId: 2), DeadLetterReason.Superseded)));
        gate.SetResult();

        // The store accepts other rows, so that this one is at fault: its payment is dead-lettered.
        var parked = await ExpectMsgAsync<PaymentsParked>();
        parked.NotWaiting.ShouldHaveSingleItem().Key.ShouldBe("1");
        await ExpectMsgAsync<PaymentsDeadLettered>();
        await AwaitAssertAsync(() => _payments.Acked.ShouldBe(2));
        _publisher.Published.Select(letter => letter.Message.Attributes["reason"]).ShouldBe(["superseded", "store-rejected"]);
        _store.Unmatched.Select(row => row.Reason).ShouldBe([DeadLetterReason.Superseded, DeadLetterReason.StoreRejected], ignoreOrder: true);
        _index.Contains(1).ShouldBeFalse();
        _mostRows.ShouldBe(2);
    }

    [Fact]
    public async Task A_payment_waits_while_the_store_rejects_every_row()
    {
        RejectRows(_ => true);
        _sink.Tell(Answers.Park(TestActor, Shop.Payment(_payments, 1)));
        await AwaitAssertAsync(() => Volatile.Read(ref _rejections).ShouldBeGreaterThan(6));
        _payments.Acked.ShouldBe(0);
        _publisher.Published.ShouldBeEmpty();
        _store.BeforeWriteUnmatched = null;
        (await ExpectMsgAsync<PaymentsParked>()).NotWaiting.ShouldBeNull();
    }

    [Fact]
    public async Task A_newer_message_is_not_acked_when_the_store_rejects_its_data_and_no_dead_letter_has_it()
    {
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(Shop.Payment(_payments, 1), DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1) with { Data = default }],
            CancellationToken.None);
        RejectRows(row => !row.Data.IsEmpty);
        var newer = Shop.Payment(_payments, 1, at: 9_000_001, status: "Refunded");
        _sink.Tell(Answers.Park(TestActor, newer));
        await AwaitAssertAsync(() => Volatile.Read(ref _rejections).ShouldBeGreaterThan(3));
        _payments.Acked.ShouldBe(0);
        _store.BeforeWriteUnmatched = null;
        await ExpectMsgAsync<PaymentsParked>();
        _store.Unmatched.ShouldHaveSingleItem().Data.ToArray().ShouldBe(newer.Delivery.Data.ToArray());
    }

    [Fact]
    public async Task A_row_without_data_stays_so_when_the_store_still_rejects_the_data()
    {
        var payment = Shop.Payment(_payments, 1);
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1) with { Data = default }], CancellationToken.None);
        RejectRows(row => !row.Data.IsEmpty);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        _payments.Acked.ShouldBe(1);
        _store.Unmatched.ShouldHaveSingleItem().Data.IsEmpty.ShouldBeTrue();
    }

    [Fact]
    public async Task A_payment_that_was_joined_is_healed_also_when_an_operator_has_discarded_its_row_just_before()
    {
        var payment = Shop.Payment(_payments, 1);
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1)], CancellationToken.None);
        _sink.Tell(Answers.Heal(payment));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        var row = _store.Unmatched.ShouldHaveSingleItem();
        row.State.ShouldBe(UnmatchedState.Healed);
        row.History.ShouldContain("discarded while it was being joined");
    }

    [Fact]
    public async Task A_heal_that_took_effect_and_failed_all_the_same_is_counted_once()
    {
        var payment = Shop.Payment(_payments, 1);
        _sink.Tell(Answers.Park(TestActor, payment));
        await ExpectMsgAsync<PaymentsParked>();
        using var healed = new CounterReader("ecomstream.payments.healed", _pipeline);
        _store.BeforeWriteUnmatched = rows =>
        {
            _store.BeforeWriteUnmatched = null;
            _ = _store.WriteUnmatchedAsync(rows, CancellationToken.None).AsTask();
            throw new StoreUnavailableException("timed out");
        };
        _sink.Tell(Answers.Heal(payment));
        await AwaitAssertAsync(() => healed.Value.ShouldBe(1));
        _sink.Tell(new RefreshIndex(1));
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        healed.Value.ShouldBe(1);
    }

    [Fact]
    public async Task A_discarded_replay_that_is_delivered_again_heals_the_dead_letter_of_the_message_that_it_replays()
    {
        var malformed = new DeadLetterMessage(
            new StoredDelivery("rubbish"u8.ToArray(), "7", 1_000_001, "payments-sub", new Dictionary<string, string>()), null, DeadLetterReason.Malformed, "", null, null);
        var delivery = _payments.Publish(
            Shop.PaymentData(1), new Dictionary<string, string> { [DeadLetter.Id] = malformed.RowId, [DeadLetter.Replays] = "1" }, 2_000_001);
        PaymentCodec.TryDecode(delivery.Data.Span, out var decoded, out _).ShouldBeTrue();
        var replay = new PaymentReceived(decoded, Stamp.Of(2_000_001, delivery.MessageId), delivery);
        await _store.WriteUnmatchedAsync(
            [
                UnmatchedRows.Encode(malformed, 1).Become(UnmatchedState.DeadLettered, 1),
                UnmatchedRows.Encode(replay, DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1),
            ],
            CancellationToken.None);
        _sink.Tell(new CheckDiscarded(replay, TestActor));
        await Eventually.True(() => delivery.IsAcked, "it is acked");
        _store.Unmatched.Single(row => row.IsMessage).State.ShouldBe(UnmatchedState.Healed);
        _store.Unmatched.Single(row => !row.IsMessage).State.ShouldBe(UnmatchedState.Discarded);
    }

    // Keeps the writer busy until the result is set, so that commands that are sent meanwhile are in one batch.
    private TaskCompletionSource HoldTheWriter()
    {
        var gate = new TaskCompletionSource();
        _store.BeforeCall = operation => operation == StoreOperation.ReadUnmatched ? gate.Task : Task.CompletedTask;
        foreach (var order in (long[])[8, 9])
        {
            _sink.Tell(new RefreshIndex(order));
        }

        return gate;
    }

    // The store rejects writes with such a row. Counts rejections, and the most rows of a write.
    private void RejectRows(Func<UnmatchedPayment, bool> condition) => _store.BeforeWriteUnmatched = rows =>
    {
        _mostRows = Math.Max(_mostRows, rows.Count);
        if (rows.Any(condition))
        {
            Interlocked.Increment(ref _rejections);
            throw new StoreRejectedException("the row is too large");
        }
    };

    private async Task WriteDiscardedAsync(int count) => await _store.WriteUnmatchedAsync(
        [
            .. Enumerable.Range(1, count).Select(id => UnmatchedRows.Encode(
                Shop.Payment(_payments, 1, paymentId: id), DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1)),
        ],
        CancellationToken.None);

    [Fact]
    public async Task Commands_that_come_while_a_batch_is_under_way_are_the_next_batch_in_their_order()
    {
        var gate = new TaskCompletionSource();
        var calls = 0;
        _store.BeforeCall = operation =>
            operation == StoreOperation.WriteUnmatched && Interlocked.Increment(ref calls) == 1 ? gate.Task : Task.CompletedTask;
        var payments = Enumerable.Range(1, 100).Select(id => Shop.Payment(_payments, id)).ToList();
        foreach (var payment in payments)
        {
            _sink.Tell(Answers.Park(ActorRefs.Nobody, payment));
        }

        foreach (var payment in payments)
        {
            _sink.Tell(Answers.Heal(payment));
        }

        await Eventually.True(() => Volatile.Read(ref calls) >= 1, "the first batch is under way");
        gate.SetResult();
        _sink.Tell(DrainUnmatched.Instance);
        await ExpectMsgAsync<UnmatchedDrained>();
        _store.Unmatched.Count.ShouldBe(100);
        _store.Unmatched.ShouldAllBe(row => row.State == UnmatchedState.Healed);
        calls.ShouldBeLessThan(20);
    }
}
