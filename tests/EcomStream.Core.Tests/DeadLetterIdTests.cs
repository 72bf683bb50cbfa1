namespace EcomStream.Core.Tests;

public sealed class DeadLetterIdTests
{
    [Theory]
    [InlineData(17, "1017")]
    [InlineData(-5, "-7")]
    [InlineData(0, "none")]
    [InlineData(long.MinValue, "9223372036854775807")]
    public void The_id_of_a_payment_names_its_row(long orderId, string key)
    {
        DeadLetterId.TryGetRowKey(DeadLetterId.OfPayment(orderId, key), out var row).ShouldBeTrue();
        row.ShouldBe((orderId, key));
        DeadLetterId.NamesMessage(key).ShouldBeFalse();
    }

    [Fact]
    public void The_id_of_a_message_names_a_row_that_no_order_has()
    {
        var id = DeadLetterId.OfMessage("orders_data-sub", "4711");
        DeadLetterId.TryGetRowKey(id, out var row).ShouldBeTrue();
        row.OrderId.ShouldBeLessThan(0);
        row.PaymentKey.ShouldBe("orders_data-sub-4711");
        DeadLetterId.NamesMessage(row.PaymentKey).ShouldBeTrue();
        DeadLetterId.OrderOfMessage("orders_data-sub-4712").ShouldNotBe(row.OrderId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("17")]
    [InlineData("17-")]
    [InlineData("1x-5")]
    public void What_is_no_id_names_nothing(string id) => DeadLetterId.TryGetRowKey(id, out _).ShouldBeFalse();

    [Fact]
    public void A_cursor_is_read_as_it_was_written()
    {
        var cursor = new UnmatchedCursor(-5, 7, "a:b");
        UnmatchedCursor.TryParse(cursor.ToString(), out var read).ShouldBeTrue();
        read.ShouldBe(cursor);
        UnmatchedCursor.TryParse("5:7", out _).ShouldBeFalse();
        UnmatchedCursor.TryParse("x:7:1", out _).ShouldBeFalse();
    }

    [Fact]
    public void A_long_history_keeps_its_beginning_and_its_end()
    {
        var history = "";
        for (var i = 0; i < 50; i++)
        {
            history = UnmatchedHistory.Append(history, i, UnmatchedState.DeadLettered, $"note {i}\nof two lines");
        }

        var lines = UnmatchedHistory.Lines(history);
        lines.Count.ShouldBe(UnmatchedHistory.MaxLines);
        lines[0].ShouldBe("1970-01-01T00:00:00.000000Z dead-lettered note 0 of two lines");
        lines[1].ShouldContain("note 31");
        lines[^1].ShouldContain("note 49");
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("", 0)]
    [InlineData("[1]", 0)]
    [InlineData("{\"a\": 1}", 0)]
    [InlineData("{\"a\": \"1\", \"b\": \"\"}", 2)]
    public void Attributes_that_are_no_strings_are_none(string json, int count) => MessageAttributes.Of(json).Count.ShouldBe(count);

    [Fact]
    public void A_replay_is_told_by_both_attributes()
    {
        DeadLetter.ReplayOf(new Dictionary<string, string> { ["dead_letter_id"] = "1-2", ["replays"] = "3" }).ShouldBe(new Replay("1-2", 3));
        DeadLetter.ReplayOf(new Dictionary<string, string> { ["dead_letter_id"] = "1-2" }).ShouldBeNull();
        DeadLetter.ReplayOf(new Dictionary<string, string> { ["dead_letter_id"] = "1-2", ["replays"] = "0" }).ShouldBeNull();
        DeadLetter.ReplayOf(new Dictionary<string, string> { ["dead_letter_id"] = "1-2", ["replays"] = "-1" }).ShouldBeNull();
    }
}
