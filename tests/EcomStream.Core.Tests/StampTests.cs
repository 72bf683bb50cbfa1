using System.Text;

namespace EcomStream.Core.Tests;

public sealed class StampTests
{
    private const long Millisecond = 1_700_000_000_123_000;

    [Fact]
    public void Two_messages_of_one_publish_batch_keep_their_order()
    {
        var first = Stamp.Of(Millisecond, "9876543210001");
        var second = Stamp.Of(Millisecond, "9876543210002");
        (second > first).ShouldBeTrue();
        first.Micros.ShouldBe(Millisecond + 1);
    }

    [Theory]
    [InlineData("5", 5)]
    [InlineData("42", 42)]
    [InlineData("1999", 999)]
    [InlineData("", 0)]
    [InlineData("projects/message-1", 0)]
    public void The_last_three_digits_of_a_numeric_id_take_the_place_of_the_missing_microseconds(string id, long added) =>
        Stamp.Of(Millisecond, id).Micros.ShouldBe(Millisecond + added);

    [Fact]
    public void A_publish_time_with_microseconds_is_the_stamp() =>
        Stamp.Of(Millisecond + 7, "123456").Micros.ShouldBe(Millisecond + 7);

    [Fact]
    public void An_orders_shard_never_changes_and_sequential_orders_are_spread_evenly()
    {
        // The values are stored nowhere, but nodes of different versions must agree on them.
        Enumerable.Range(1, 8).Select(id => Shards.Of(id, 8)).ShouldBe(ExpectedShards);
        var counts = Enumerable.Range(1, 80_000).GroupBy(id => Shards.Of(id, 8)).Select(g => g.Count()).ToArray();
        counts.Length.ShouldBe(8);
        counts.ShouldAllBe(count => count > 9_500 && count < 10_500);
        Shards.Of(long.MinValue, 3).ShouldBeInRange(0, 2);
        Shards.Of(-1, 1).ShouldBe(0);
    }

    [Fact]
    public void A_dead_letter_carries_the_data_unchanged_and_says_where_it_came_from()
    {
        var delivery = new TestDelivery("not json", "m1", 1_700_000_000_123_456);
        var letter = DeadLetter.ToMessage(
            delivery, DeadLetterReason.Malformed, "why", "id-1", DateTimeOffset.UnixEpoch, orderId: null, paymentId: "5", replays: 2);
        letter.Data.ToArray().ShouldBe(delivery.Data.ToArray());
        letter.Attributes.ShouldBe(
            new Dictionary<string, string>
            {
                ["reason"] = "malformed",
                ["detail"] = "why",
                ["payment_id"] = "5",
                ["source_subscription"] = "test-sub",
                ["source_message_id"] = "m1",
                ["source_publish_time"] = "2023-11-14T22:13:20.123456Z",
                ["dead_lettered_at"] = "1970-01-01T00:00:00.000000Z",
                ["replays"] = "2",
                ["dead_letter_id"] = "id-1",
            },
            ignoreOrder: true);
    }

    [Fact]
    public void A_dead_letter_keeps_the_attributes_the_trace_and_the_ordering_key_of_its_message()
    {
        var delivery = new TestDelivery("{}", "m1", 1)
        {
            OrderingKey = "order 7",
            Sent = new Dictionary<string, string> { ["googclient_traceparent"] = "parent", ["googclient_tracestate"] = "state", ["shop"] = "1" },
        };

        var letter = DeadLetter.ToMessage(delivery, DeadLetterReason.Superseded, "", "id-1", DateTimeOffset.UnixEpoch, 7, "1", replays: 0);

        letter.OrderingKey.ShouldBe("order 7");
        letter.Attributes["googclient_traceparent"].ShouldBe("parent");
        letter.Attributes["googclient_tracestate"].ShouldBe("state");
        letter.Attributes["shop"].ShouldBe("1");
    }

    [Fact]
    public void A_dead_letter_stays_within_the_limits_of_the_service_and_names_what_was_left_out()
    {
        var attributes = Enumerable.Range(0, 100).ToDictionary(n => $"a{n:000}", n => "x");
        attributes["a000"] = new string('y', 2_000);
        attributes[new string('k', 300)] = "long name";
        attributes["reason"] = "the publisher's own";
        var letter = DeadLetter.ToMessage(
            new TestDelivery("{}", "m1", 1) { Sent = attributes }, DeadLetterReason.Malformed, "", "id-1", DateTimeOffset.UnixEpoch, 1, "2", replays: 0);
        letter.Attributes.Count.ShouldBeLessThanOrEqualTo(100);
        letter.Attributes.Values.ShouldAllBe(value => Encoding.UTF8.GetByteCount(value) <= 1_024);
        letter.Attributes.Keys.ShouldAllBe(key => Encoding.UTF8.GetByteCount(key) <= 256);
        letter.Attributes["reason"].ShouldBe("malformed");
        letter.Attributes[DeadLetter.Trimmed].ShouldContain("value of a000");
        letter.Attributes[DeadLetter.Trimmed].ShouldContain("attribute a0");
    }

    [Fact]
    public void A_dead_letter_whose_data_would_exceed_ten_megabytes_is_sent_without_data_and_says_so()
    {
        var letter = DeadLetter.ToMessage(
            new TestDelivery(new string('x', 9_999_000), "m1", 1), DeadLetterReason.Malformed, "", "id-1", DateTimeOffset.UnixEpoch, 1, "2", replays: 0);
        letter.Data.Length.ShouldBe(0);
        letter.Attributes[DeadLetter.Trimmed].ShouldBe("data");
    }

    [Theory]
    [InlineData("10:00")]
    [InlineData("2026-11-24")]
    [InlineData("2026-11-24T08:00:00")]
    [InlineData("24.11.2026 08:00")]
    public void A_text_that_is_not_a_full_time_is_not_parsed(string text) => Timestamps.TryParse(text, out _).ShouldBeFalse();

    [Fact]
    public void A_full_time_is_parsed_with_its_offset()
    {
        Timestamps.TryParse("2026-11-24T08:00:00.123456Z", out var utc).ShouldBeTrue();
        Timestamps.TryParse("2026-11-24T10:00:00.123456+02:00", out var local).ShouldBeTrue();
        local.ShouldBe(utc);
        Timestamps.Rfc3339(utc).ShouldBe("2026-11-24T08:00:00.123456Z");
    }

    [Fact]
    public void The_source_of_a_dead_letter_is_never_younger_than_the_dead_letter()
    {
        var forged = new TestDelivery("{}", "m1", 1_700_000_000_000_000)
        {
            Sent = new Dictionary<string, string> { [DeadLetter.SourcePublishTime] = "2999-01-01T00:00:00Z", ["tenant"] = "acme" },
        };
        var source = new DeadLetterDelivery(forged);
        source.PublishTimeMicros.ShouldBe(1_700_000_000_000_000);
        source.Attributes.ShouldBe(new Dictionary<string, string> { ["tenant"] = "acme" });
    }

    [Fact]
    public void A_long_detail_is_cut_within_the_limit_of_an_attribute_and_never_through_a_character()
    {
        // "€" is three bytes, "😀" two chars and four bytes.
        foreach (var detail in new[] { new string('€', 5_000), new string('x', 255) + "😀😀", string.Concat(Enumerable.Repeat("😀", 1_000)) })
        {
            var kept = DeadLetter.ToMessage(
                    new TestDelivery("{}", "m1", 1), DeadLetterReason.StoreRejected, detail, "id-1", DateTimeOffset.UnixEpoch, 1, "2", replays: 0)
                .Attributes[DeadLetter.Detail];
            detail.ShouldStartWith(kept);
            kept.Length.ShouldBeGreaterThan(250);
            Encoding.UTF8.GetByteCount(kept).ShouldBeLessThanOrEqualTo(1_024);
            kept.EnumerateRunes().ShouldAllBe(rune => rune != Rune.ReplacementChar);
        }
    }

    [Fact]
    public void Every_reason_is_read_back_from_its_attribute_and_nothing_else_is()
    {
        foreach (var reason in Enum.GetValues<DeadLetterReason>())
        {
            DeadLetterReasons.TryParse(reason.ToAttribute(), out var same).ShouldBeTrue();
            same.ShouldBe(reason);
        }

        DeadLetterReasons.TryParse("NoMatchingOrder", out _).ShouldBeFalse();
        DeadLetterReasons.TryParse("", out _).ShouldBeFalse();
    }

    private static readonly int[] ExpectedShards = [4, 7, 6, 5, 5, 3, 5, 7];
}
