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
