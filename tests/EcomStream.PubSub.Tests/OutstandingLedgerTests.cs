using EcomStream.Core;

namespace EcomStream.PubSub.Tests;

public sealed class OutstandingLedgerTests
{
    private readonly OutstandingLedger _ledger = new();
    private readonly object _session = new();

    [Fact]
    public void What_was_received_is_outstanding_until_its_settlement_is_sent()
    {
        var first = Add("a", 300, bytes: 10);
        Add("b", 200, bytes: 5);

        _ledger.Outstanding.ShouldBe((2, 15));
        _ledger.Oldest().ShouldBe(new OutstandingMessage("message b", 200));
        _ledger.Asked(first);
        _ledger.Outstanding.ShouldBe((2, 15));
        _ledger.Open().Select(entry => entry.AckId).ShouldBe(["b"]);

        _ledger.Settled("b");
        _ledger.Settled("b");
        _ledger.Settled("unknown");
        _ledger.Outstanding.ShouldBe((1, 10));
        _ledger.Oldest().ShouldBe(new OutstandingMessage("message a", 300));
        _ledger.Settled("a");
        _ledger.Oldest().ShouldBeNull();
    }

    [Fact]
    public void A_delivery_is_entered_once()
    {
        Add("a", 1, bytes: 10);
        Add("a", 1, bytes: 10);

        _ledger.Outstanding.ShouldBe((1, 10));
    }

    [Fact]
    public async Task A_flush_waits_for_what_was_asked_for_before_it_and_for_nothing_else()
    {
        var (first, second, third) = (Add("a", 1), Add("b", 2), Add("c", 3));
        _ledger.FlushAsync(default).IsCompletedSuccessfully.ShouldBeTrue();
        _ledger.Asked(first);
        _ledger.Asked(second);
        var flush = _ledger.FlushAsync(default);
        _ledger.Asked(third);

        _ledger.Settled("b");
        flush.IsCompleted.ShouldBeFalse();
        var later = _ledger.FlushAsync(default);
        _ledger.Settled("a");
        await flush.WaitAsync(TimeSpan.FromSeconds(5));

        later.IsCompleted.ShouldBeFalse();
        _ledger.Settled("c");
        await later.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task When_a_session_ends_its_messages_are_forgotten_and_no_flush_waits_for_them()
    {
        _ledger.Asked(Add("a", 1));
        _ledger.Add(new OutstandingEntry("b", "message b", 2, 7, new object()));
        var flush = _ledger.FlushAsync(default);

        _ledger.RemoveAllOf(_session);

        await flush.WaitAsync(TimeSpan.FromSeconds(5));
        _ledger.Outstanding.ShouldBe((1, 7));
    }

    [Fact]
    public void An_ack_that_is_no_longer_known_does_not_delay_a_flush()
    {
        var entry = Add("a", 1);
        _ledger.RemoveAllOf(_session);

        _ledger.Asked(entry);

        _ledger.FlushAsync(default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    private OutstandingEntry Add(string ackId, long publishTime, long bytes = 1)
    {
        var entry = new OutstandingEntry(ackId, $"message {ackId}", publishTime, bytes, _session);
        _ledger.Add(entry);
        return entry;
    }
}
