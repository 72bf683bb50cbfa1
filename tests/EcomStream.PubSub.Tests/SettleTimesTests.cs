namespace EcomStream.PubSub.Tests;

public sealed class SettleTimesTests
{
    private readonly SettleTimes _times = new();

    [Fact]
    public void Without_settled_messages_the_time_to_settle_is_zero() => _times.Percentile99.ShouldBe(TimeSpan.Zero);

    [Theory]
    [InlineData(99, 1, 2)]
    [InlineData(98, 2, 30)]
    [InlineData(0, 1, 30)]
    public void The_time_to_settle_is_the_99th_percentile_in_whole_seconds_rounded_up(int quick, int slow, int seconds)
    {
        _times.Record(TimeSpan.FromSeconds(1.2), quick);
        _times.Record(TimeSpan.FromSeconds(29.1), slow);

        _times.Percentile99.ShouldBe(TimeSpan.FromSeconds(seconds));
    }

    [Fact]
    public void The_time_to_settle_is_at_most_the_longest_lease()
    {
        _times.Record(TimeSpan.FromHours(5), 10);

        _times.Percentile99.ShouldBe(TimeSpan.FromSeconds(600));
    }

    [Fact]
    public void What_was_slow_long_ago_is_forgotten()
    {
        _times.Record(TimeSpan.FromSeconds(300), 90_000);
        for (var n = 0; n < 50; n++)
        {
            _times.Record(TimeSpan.FromSeconds(3), 10_000);
        }

        _times.Percentile99.ShouldBe(TimeSpan.FromSeconds(3));
    }
}
