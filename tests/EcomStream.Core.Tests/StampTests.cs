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
            delivery, DeadLetterReason.Malformed, "why", "id-1", DateTimeOffset.UnixEpoch, orderId: null, paymentId: 5, replays: 2);
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

    private static readonly int[] ExpectedShards = [4, 7, 6, 5, 5, 3, 5, 7];
}
