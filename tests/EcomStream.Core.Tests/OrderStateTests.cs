namespace EcomStream.Core.Tests;

public sealed class OrderStateTests
{
    private static readonly OrderState New = OrderState.New(Some.OrderId);

    private static OrderState Empty => New.Loaded(null, [], out _);

    [Fact]
    public void An_order_is_written_without_a_read()
    {
        var order = Some.Order(1);
        var state = New.Receive(order, out var decision);
        decision.ShouldBe(new Decision { WriteOrder = order });
        state.OrderSide.ShouldBe(OrderSide.Present);
        state.IsComplete.ShouldBeFalse();
    }

    [Fact]
    public void An_order_message_that_is_not_newer_is_settled_after_what_was_written_and_changes_nothing()
    {
        var state = New.Receive(Some.Order(2), out _);
        var stale = Some.Order(1);
        state.Receive(stale, out var decision).ShouldBe(state);
        decision.ShouldBe(new Decision { Settle = stale });
        var same = Some.Order(2);
        state.Receive(same, out decision).ShouldBe(state);
        decision.ShouldBe(new Decision { Settle = same });
    }

    [Fact]
    public void An_order_that_is_not_in_the_row_after_its_write_is_absent()
    {
        // The store has rejected it, or another program has deleted the row.
        var state = New.Receive(Some.Order(2), out _).Loaded(null, [], out _);
        state.OrderSide.ShouldBe(OrderSide.Absent);
        var older = Some.Order(1);
        state.Receive(older, out var decision).OrderSide.ShouldBe(OrderSide.Present);
        decision.WriteOrder.ShouldBe(older);
    }

    [Fact]
    public void A_payment_for_an_order_that_is_not_known_reads_the_row_first()
    {
        New.Receive(Some.Payment(1), out var decision).ShouldBe(New);
        decision.ShouldBe(new Decision { Load = true });
    }

    [Fact]
    public void A_payment_whose_order_just_came_is_written_guarded_because_the_row_was_not_read()
    {
        var payment = Some.Payment(2);
        var state = New.Receive(Some.Order(1), out _).Receive(payment, out var decision);
        decision.ShouldBe(new Decision { WritePayment = payment, Guarded = true });
        state.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void A_guarded_payment_that_is_refused_reads_the_row_and_then_displaces_the_older_one_that_is_there()
    {
        var payment = Some.Payment(5, id: 2);
        var state = New.Receive(Some.Order(1), out _).Receive(payment, out _).Refused(payment, out var decision);
        decision.ShouldBe(new Decision { Load = true });
        var there = new OrderFact(Some.OrderId, Some.Order(1).Order, Some.Order(1).Stamp, Some.Payment(3, id: 1).Payment, Some.Payment(3).Stamp);
        state = state.Loaded(there, [], out _).Receive(payment, out decision);
        decision.WritePayment.ShouldBe(payment);
        decision.Guarded.ShouldBeFalse();
        var displaced = decision.DeadLetters.ShouldHaveSingleItem();
        displaced.Reason.ShouldBe(DeadLetterReason.Superseded);
        displaced.Payment.Payment.PaymentId.ShouldBe(1);
        state.Payment.ShouldBe(payment);
    }

    [Fact]
    public void A_redelivery_of_a_guarded_payment_is_written_guarded_too_because_the_first_may_have_been_refused()
    {
        var state = New.Receive(Some.Order(1), out _).Receive(Some.Payment(5), out _);
        var again = Some.Payment(5);
        state.Receive(again, out var decision).ShouldBe(state);
        decision.ShouldBe(new Decision { WritePayment = again, Guarded = true });
    }

    [Fact]
    public void A_payment_older_than_another_one_in_the_row_is_superseded_and_writes_nothing()
    {
        var state = Empty.Receive(Some.Order(1), out _).Receive(Some.Payment(5, id: 1), out _);
        var late = Some.Payment(3, id: 2);
        state.Receive(late, out var decision).ShouldBe(state);
        decision.WritePayment.ShouldBeNull();
        decision.DeadLetters.ShouldHaveSingleItem().ShouldBe(new DeadLetterPayment(late, DeadLetterReason.Superseded));
    }

    [Fact]
    public void A_newer_message_of_the_same_payment_replaces_it_without_a_dead_letter()
    {
        var newer = Some.Payment(6, id: 1);
        var state = Empty.Receive(Some.Order(1), out _).Receive(Some.Payment(5, id: 1), out _).Receive(newer, out var decision);
        decision.ShouldBe(new Decision { WritePayment = newer });
        state.Payment.ShouldBe(newer);
    }

    [Fact]
    public void A_payment_that_another_program_wrote_is_displaced_and_can_be_dead_lettered()
    {
        var row = new OrderFact(Some.OrderId, Some.Order(1).Order, Stamp.None, Some.Payment(1, id: 1).Payment, Stamp.None);
        New.Loaded(row, [], out _).Receive(Some.Payment(2, id: 2), out var decision);
        var displaced = decision.DeadLetters.ShouldHaveSingleItem().Payment;
        var letter = DeadLetter.ToMessage(
            displaced.Delivery, DeadLetterReason.Superseded, "", "id", DateTimeOffset.UnixEpoch, Some.OrderId, "1", replays: 0);
        letter.Attributes[DeadLetter.SourcePublishTime].ShouldBe("1970-01-01T00:00:00.000000Z");
        PaymentCodec.TryDecode(letter.Data.Span, out var payment, out _).ShouldBeTrue();
        payment.ShouldBe(displaced.Payment);
    }

    [Fact]
    public void Payments_without_an_id_are_payments_of_their_own_and_the_older_one_is_superseded()
    {
        var (older, newer) = (Some.Payment(5, id: null), Some.Payment(6, id: null));
        Empty.Receive(Some.Order(1), out _).Receive(older, out _).Receive(newer, out var decision);
        decision.WritePayment.ShouldBe(newer);
        decision.DeadLetters.ShouldHaveSingleItem().ShouldBe(new DeadLetterPayment(older, DeadLetterReason.Superseded));
    }

    [Fact]
    public void Payments_whose_id_is_a_text_are_told_apart_by_it()
    {
        var (a, b, newerA) = (Some.Payment(5, null, idText: "pi_A"), Some.Payment(6, null, idText: "pi_B"), Some.Payment(7, null, idText: "pi_A"));
        Empty.Receive(Some.Order(1), out _).Receive(a, out _).Receive(b, out var decision);
        decision.DeadLetters.ShouldHaveSingleItem().Payment.ShouldBe(a);
        Empty.Receive(Some.Order(1), out _).Receive(a, out _).Receive(newerA, out decision);
        decision.ShouldBe(new Decision { WritePayment = newerA });
    }

    [Fact]
    public void A_payment_without_a_number_as_id_is_not_written_before_the_row_is_read()
    {
        var payment = Some.Payment(5, null, idText: "pi_B");
        var state = New.Receive(Some.Order(1), out _).Receive(payment, out var decision);
        decision.ShouldBe(new Decision { Load = true });
        var row = new OrderFact(
            Some.OrderId, Some.Order(1).Order, Some.Order(1).Stamp, Some.Payment(3, null).Payment with { PaymentIdText = null }, Some.Payment(3, null).Stamp);
        state.Loaded(row, [], out _).Receive(payment, out decision);
        decision.WritePayment.ShouldBe(payment);
        decision.DeadLetters.ShouldHaveSingleItem().Payment.IsRebuilt.ShouldBeTrue();
    }

    [Fact]
    public void A_redelivered_payment_whose_text_id_the_row_does_not_hold_is_settled()
    {
        var payment = Some.Payment(5, null, idText: "pi_A");
        var row = new OrderFact(
            Some.OrderId, Some.Order(1).Order, Some.Order(1).Stamp, payment.Payment with { PaymentIdText = null }, payment.Stamp);
        New.Loaded(row, [], out _).Receive(payment, out var decision);
        decision.ShouldBe(new Decision { Settle = payment });
    }

    [Fact]
    public void More_payments_than_fit_in_memory_wait_in_their_rows_and_cost_no_more_than_the_first_ones()
    {
        var state = Empty;
        for (var i = 1; i <= OrderState.MaxWaiting; i++)
        {
            state = state.Receive(Some.Payment(i, id: i), out var waits);
            waits.Wait.ShouldNotBeNull();
        }

        var next = Some.Payment(100, id: 100);
        var after = state.Receive(next, out var decision);
        decision.ShouldBe(new Decision { Park = next });
        after.Waiting.Length.ShouldBe(OrderState.MaxWaiting);
        after.HasMoreRows.ShouldBeTrue();
        after.Receive(Some.Order(200), out decision).NeedsMoreRows.ShouldBeTrue();
    }

    [Fact]
    public void Rows_beyond_the_first_page_are_joined_page_by_page_and_the_newest_payment_wins()
    {
        var state = Empty.Receive(Some.Order(1), out _);
        var (old, newest) = (Some.Payment(5, id: 5), Some.Payment(9, id: 9));
        var row = new OrderFact(Some.OrderId, Some.Order(1).Order, Some.Order(1).Stamp, null, Stamp.None);
        state = state.Loaded(row, [new UnmatchedMessage(old)], hasMore: true, out var decision);
        decision.WritePayment.ShouldBe(old);
        state.NeedsMoreRows.ShouldBeTrue();
        state = state.Loaded(row with { Payment = old.Payment, PaymentStamp = old.Stamp }, [new UnmatchedMessage(newest, IsGivenUp: true)], hasMore: false, out decision);
        decision.WritePayment.ShouldBe(newest);
        decision.DeadLetters.ShouldHaveSingleItem().Payment.ShouldBe(old);
        state.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void A_given_up_payment_that_is_read_again_is_not_given_up_again()
    {
        var payment = Some.Payment(1);
        var state = New.Loaded(null, [new UnmatchedMessage(payment, IsGivenUp: true)], hasMore: false, out _);
        state.GiveUp(long.MaxValue, TimeSpan.Zero, out var decision).ShouldBe(state);
        decision.ShouldBe(Decision.Nothing);
    }

    [Fact]
    public void A_given_up_payment_is_read_again_when_the_order_comes()
    {
        var (givenUp, waits) = (Some.Payment(1, id: 1), Some.Payment(2, id: 2));
        var state = New.Loaded(null, [new UnmatchedMessage(givenUp, IsGivenUp: true), new UnmatchedMessage(waits)], hasMore: false, out _).WithoutGivenUp();
        state.Waiting.ShouldHaveSingleItem().Message.ShouldBe(waits);
        state = state.Receive(Some.Order(3), out var decision);
        decision.WritePayment.ShouldBe(waits);
        decision.DeadLetters.ShouldBeNull();
        state.NeedsMoreRows.ShouldBeTrue();
    }

    [Fact]
    public void Another_order_message_with_the_same_stamp_is_written_and_a_redelivery_is_not()
    {
        var (first, second) = (Some.Order(5, "Pending", "m1"), Some.Order(5, "Shipped", "m2"));
        var state = New.Receive(first, out _);
        state.Receive(Some.Order(5, "Pending", "m1"), out var decision);
        decision.WriteOrder.ShouldBeNull();
        state.Receive(second, out decision);
        decision.WriteOrder.ShouldBe(second);
    }

    [Fact]
    public void A_payment_that_displaces_another_with_the_same_stamp_gets_later_write_timestamps_than_the_columns_it_replaces()
    {
        var (small, large) = (Some.Payment(5, id: 1), Some.Payment(5, id: 2));
        Empty.Receive(Some.Order(1), out _).Receive(small, out _).Receive(large, out var decision);
        decision.PaymentDetailStamp.ShouldBe(new Stamp(large.Stamp.Micros + 1));
        var newer = Some.Payment(6, id: 2);
        Empty.Receive(Some.Order(1), out _).Receive(small, out _).Receive(newer, out decision);
        decision.PaymentDetailStamp.ShouldBeNull();
    }

    [Fact]
    public void At_one_stamp_the_larger_payment_id_wins_whichever_comes_first()
    {
        var (small, large) = (Some.Payment(5, id: 1), Some.Payment(5, id: 2));
        Empty.Receive(Some.Order(1), out _).Receive(small, out _).Receive(large, out _).Payment.ShouldBe(large);
        Empty.Receive(Some.Order(1), out _).Receive(large, out _).Receive(small, out _).Payment.ShouldBe(large);
    }

    [Fact]
    public void An_early_payment_waits_and_is_written_with_its_order_in_one_write()
    {
        var (payment, order) = (Some.Payment(1), Some.Order(2));
        var state = Empty.Receive(payment, out var decision);
        decision.ShouldBe(new Decision { Wait = payment });
        state = state.Receive(order, out decision);
        decision.ShouldBe(new Decision { WriteOrder = order, WritePayment = payment });
        state.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void A_payment_that_was_parked_has_its_row_healed_when_the_order_comes()
    {
        var payment = Some.Payment(1);
        var state = Empty.Receive(payment, out _).Park(out var parked);
        parked.ShouldBe([payment]);
        state.Park(out parked);
        parked.ShouldBeEmpty();
        state.Receive(Some.Order(2), out var decision);
        decision.Heal.ShouldBe([payment]);
        decision.WritePayment.ShouldBe(payment);
    }

    [Fact]
    public void A_redelivery_of_a_payment_that_is_parked_is_settled()
    {
        var state = Empty.Receive(Some.Payment(1), out _).Park(out _);
        var again = Some.Payment(1);
        state.Receive(again, out var decision);
        decision.ShouldBe(new Decision { Settle = again });
    }

    [Fact]
    public void Of_several_payments_that_wait_the_newest_joins_and_the_others_are_superseded()
    {
        var (first, second, third) = (Some.Payment(1, id: 1), Some.Payment(3, id: 2), Some.Payment(2, id: 3));
        Empty.Receive(first, out _).Receive(second, out _).Receive(third, out _).Receive(Some.Order(9), out var decision);
        decision.WritePayment.ShouldBe(second);
        decision.DeadLetters!.Select(letter => letter.Payment).ShouldBe([first, third], ignoreOrder: true);
        decision.DeadLetters!.ShouldAllBe(letter => letter.Reason == DeadLetterReason.Superseded);
    }

    [Fact]
    public void A_payment_is_given_up_only_when_the_orders_have_been_read_up_to_its_publish_time_plus_the_grace()
    {
        var payment = Some.Payment(1);
        var state = Empty.Receive(payment, out _).Park(out _);
        var grace = TimeSpan.FromSeconds(30);
        var due = payment.Delivery.PublishTimeMicros + 30_000_000;
        state.GiveUp(due - 1, grace, out var decision).ShouldBe(state);
        decision.ShouldBe(Decision.Nothing);
        var after = state.GiveUp(due, grace, out decision);
        decision.DeadLetters.ShouldHaveSingleItem().ShouldBe(new DeadLetterPayment(payment, DeadLetterReason.NoMatchingOrder));
        after.IsEmpty.ShouldBeTrue();
        after.GiveUp(due, grace, out decision).ShouldBe(after);
        decision.ShouldBe(Decision.Nothing);
    }

    [Fact]
    public void A_payment_is_not_given_up_while_a_newer_message_of_it_has_some_of_its_grace_left()
    {
        var (older, newer) = (Some.Payment(1), Some.Payment(1_000));
        var state = Empty.Receive(older, out _).Park(out _).Receive(newer, out _).Park(out _);
        var grace = TimeSpan.FromSeconds(30);
        state.GiveUp(older.Delivery.PublishTimeMicros + 30_000_000, grace, out var decision).ShouldBe(state);
        decision.ShouldBe(Decision.Nothing);
        state.GiveUp(newer.Delivery.PublishTimeMicros + 30_000_000, grace, out decision);
        decision.DeadLetters!.Select(letter => letter.Payment).ShouldContain(newer);
    }

    [Fact]
    public void An_order_that_comes_right_after_its_payment_was_given_up_takes_it_all_the_same()
    {
        var (payment, order) = (Some.Payment(1), Some.Order(9));
        var state = Empty.Receive(payment, out _).Park(out _).GiveUp(long.MaxValue, TimeSpan.Zero, out _).Receive(order, out var decision);
        decision.WriteOrder.ShouldBe(order);
        decision.WritePayment.ShouldBe(payment);
        decision.Heal.ShouldBe([payment]);
        state.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void A_dead_lettered_payment_is_joined_when_its_order_is_there_after_all()
    {
        var payment = Some.Payment(1);
        var order = Some.Order(9);
        var state = New.Loaded(null, [payment], out var decision).Receive(order, out decision);
        decision.WriteOrder.ShouldBe(order);
        decision.WritePayment.ShouldBe(payment);
        decision.Heal.ShouldBe([payment]);
        state.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void A_row_that_says_waiting_although_its_fact_is_joined_is_healed_and_not_written_again()
    {
        var payment = Some.Payment(1);
        var row = new OrderFact(Some.OrderId, Some.Order(2).Order, Some.Order(2).Stamp, payment.Payment, payment.Stamp);
        New.Loaded(row, [payment], out var decision);
        decision.Heal.ShouldBe([payment]);
        decision.WritePayment.ShouldBeNull();
        decision.DeadLetters.ShouldBeNull();
    }
}
