using Akka.Actor;
using EcomStream.Core;
using EcomStream.Testing;

namespace EcomStream.Actors.Tests;

/// <summary>What happens to the row of a payment when it keeps another message of that payment than the one that is decided.</summary>
public sealed class UnmatchedLedgerTests
{
    private const long OrderId = 1;
    private const long PaymentId = 100;

    private readonly InMemorySubscription _source = new("payments-sub");
    private readonly UnmatchedLedger _ledger = new(DateTimeOffset.UnixEpoch, "dlq_payments_data");

    [Theory]
    [InlineData(DeadLetterReason.NoMatchingOrder)]
    [InlineData(DeadLetterReason.Superseded)]
    public void A_row_that_waits_with_a_newer_message_is_not_dead_lettered_with_an_older_one(DeadLetterReason reason)
    {
        var (older, newer) = (Payment(at: 1_000_001), Payment(at: 2_000_001));
        Park(older, newer);
        _ledger.Apply(new DeadLetterPayments(OrderId, [new DeadLetterPayment(older, reason)], 0, ActorRefs.Nobody));

        ShouldWaitWith(newer);
        _ledger.DeadLetters.ShouldBeEmpty();
    }

    [Fact]
    public void A_row_that_waits_with_a_newer_message_is_not_healed_by_an_older_one()
    {
        var (older, newer) = (Payment(at: 1_000_001), Payment(at: 2_000_001));
        Park(older, newer);
        _ledger.Apply(new HealPayments(OrderId, [older]));
        ShouldWaitWith(newer);

        _ledger.Apply(new HealPayments(OrderId, [newer]));
        _ledger.Rows.ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Healed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Of_two_messages_with_one_stamp_the_row_keeps_the_one_that_the_table_would(bool largerFirst)
    {
        var (smaller, larger) = (Payment(at: 1_000_001, "Completed"), Payment(at: 1_000_001, "Pending"));
        Park(largerFirst ? [larger, smaller] : [smaller, larger]);
        ShouldWaitWith(larger);
    }

    [Fact]
    public void A_superseded_payment_is_dead_lettered_with_the_newest_message_that_is_known()
    {
        var (older, newer) = (Payment(at: 1_000_001), Payment(at: 2_000_001));
        Park(older);
        _ledger.Apply(new DeadLetterPayments(OrderId, [new DeadLetterPayment(newer, DeadLetterReason.Superseded)], 0, ActorRefs.Nobody));

        var row = _ledger.Rows.ShouldHaveSingleItem();
        (row.State, row.MessageId).ShouldBe((UnmatchedState.DeadLettered, newer.Delivery.MessageId));
        _ledger.DeadLetters.ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(UnmatchedState.DeadLettered)]
    [InlineData(UnmatchedState.Discarded)]
    [InlineData(UnmatchedState.Healed)]
    public void A_malformed_message_that_is_delivered_again_gets_no_second_dead_letter(UnmatchedState state)
    {
        var message = Malformed("7", at: 1_000_001);
        _ledger.AddExisting(UnmatchedRows.Encode(message, 1) with { State = state });
        _ledger.Apply(message);
        _ledger.Changed.ShouldBeEmpty();
        _ledger.DeadLetters.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(UnmatchedState.DeadLettered)]
    [InlineData(UnmatchedState.Discarded)]
    [InlineData(UnmatchedState.Healed)]
    public void A_later_malformed_message_with_the_same_id_gets_a_dead_letter(UnmatchedState state)
    {
        // A broker whose data was deleted gives the same ids again.
        _ledger.AddExisting(UnmatchedRows.Encode(Malformed("7", at: 1_000_001), 1) with { State = state });
        _ledger.Apply(Malformed("7", at: 2_000_001));
        var row = _ledger.Changed.ShouldHaveSingleItem();
        (row.State, row.PublishTimeMicros).ShouldBe((UnmatchedState.DeadLettered, 2_000_001));
        _ledger.DeadLetters.ShouldHaveSingleItem();
    }

    [Fact]
    public void A_malformed_replay_that_was_discarded_stays_discarded_when_it_is_delivered_again()
    {
        var original = Malformed("7", at: 1_000_001);
        var replay = Malformed("8", at: 2_000_001, replayOf: original.RowId);
        replay.RowId.ShouldBe(original.RowId);
        _ledger.AddExisting(UnmatchedRows.Encode(original, 1).Become(UnmatchedState.DeadLettered, 1));
        _ledger.Apply(replay);
        var row = _ledger.Rows.ShouldHaveSingleItem();

        var later = new UnmatchedLedger(DateTimeOffset.UnixEpoch, "dlq_payments_data");
        later.AddExisting(row.Become(UnmatchedState.Discarded, 2, "by an operator"));
        later.Apply(replay);
        later.Changed.ShouldBeEmpty();
        later.DeadLetters.ShouldBeEmpty();
    }

    [Fact]
    public void A_replayed_payment_that_was_discarded_stays_discarded_when_it_is_delivered_again()
    {
        var replay = Shop.Payment(_source, OrderId, PaymentId, 2_000_001, replays: 1);
        replay.Replay.ShouldNotBeNull();
        _ledger.AddExisting(UnmatchedRows.Encode(replay, DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1));
        _ledger.IsDiscarded(replay).ShouldBeTrue();
        Park(replay);
        _ledger.Changed.ShouldBeEmpty();

        // The next replay of it is newer.
        _ledger.IsDiscarded(Shop.Payment(_source, OrderId, PaymentId, 3_000_001, replays: 2)).ShouldBeFalse();
    }

    [Theory]
    [InlineData(DeadLetterReason.NoMatchingOrder)]
    [InlineData(DeadLetterReason.Superseded)]
    public void A_replay_that_is_given_up_before_its_row_was_written_is_dead_lettered_again(DeadLetterReason reason)
    {
        var replay = Shop.Payment(_source, OrderId, PaymentId, 2_000_001, replays: 1);
        _ledger.AddExisting(UnmatchedRows.Encode(Payment(at: 1_000_001), DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1));
        _ledger.Apply(new DeadLetterPayments(OrderId, [new DeadLetterPayment(replay, reason)], 0, ActorRefs.Nobody));
        var row = _ledger.Changed.ShouldHaveSingleItem();
        (row.State, row.MessageId, row.Replays).ShouldBe((UnmatchedState.DeadLettered, replay.Delivery.MessageId, 1));
        _ledger.DeadLetters.ShouldHaveSingleItem();
    }

    [Fact]
    public void A_redelivery_does_not_change_a_row_that_keeps_its_message()
    {
        var payment = Payment(at: 1_000_001);
        _ledger.AddExisting(UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1, "no order 1 within the grace"));
        Park(payment);
        _ledger.Apply(new DeadLetterPayments(OrderId, [new DeadLetterPayment(payment, DeadLetterReason.NoMatchingOrder)], 0, ActorRefs.Nobody));
        _ledger.Changed.ShouldBeEmpty();
    }

    [Fact]
    public void A_superseded_redelivery_does_not_change_the_reason_for_which_a_payment_was_discarded()
    {
        var payment = Payment(at: 1_000_001);
        _ledger.AddExisting(UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.Discarded, 1, "a test (was: no order 1)"));
        _ledger.Apply(new DeadLetterPayments(OrderId, [new DeadLetterPayment(payment, DeadLetterReason.Superseded)], 0, ActorRefs.Nobody));
        _ledger.Changed.ShouldBeEmpty();
    }

    [Fact]
    public void A_row_without_data_takes_that_of_its_message_when_it_is_delivered_again()
    {
        var payment = Payment(at: 1_000_001);
        _ledger.AddExisting(UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.DeadLettered, 1) with { Data = default });
        Park(payment);
        _ledger.Changed.ShouldHaveSingleItem().Data.ToArray().ShouldBe(payment.Delivery.Data.ToArray());
    }

    private static DeadLetterMessage Malformed(string messageId, long at, string? replayOf = null)
    {
        var attributes = replayOf is null
            ? new Dictionary<string, string>()
            : new Dictionary<string, string> { [DeadLetter.Id] = replayOf, [DeadLetter.Replays] = "1" };
        return new DeadLetterMessage(
            new StoredDelivery("rubbish"u8.ToArray(), messageId, at, "payments-sub", attributes),
            "dlq_payments_data", DeadLetterReason.Malformed, "at byte 0", null, null);
    }

    private PaymentReceived Payment(long at, string status = "Completed") => Shop.Payment(_source, OrderId, PaymentId, at, status);

    private void Park(params PaymentReceived[] payments)
    {
        foreach (var payment in payments)
        {
            _ledger.Apply(new ParkPayments(OrderId, [payment], 0, ActorRefs.Nobody));
        }
    }

    private void ShouldWaitWith(PaymentReceived payment)
    {
        var row = _ledger.Rows.ShouldHaveSingleItem();
        (row.State, row.MessageId).ShouldBe((UnmatchedState.Waiting, payment.Delivery.MessageId));
    }
}
