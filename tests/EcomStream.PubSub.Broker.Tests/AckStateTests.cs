using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Tests;

public sealed class AckStateTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_state_agrees_with_a_set_of_offsets_for_every_order_of_acks(int seed)
    {
        var random = new Random(seed);
        var state = new AckState(10);
        var model = Enumerable.Range(0, 10).Select(i => (long)i).ToHashSet();
        for (var step = 0; step < 30_000; step++)
        {
            var offset = 10 + random.NextInt64(Math.Min(20_000, (step * 2) + 10));
            state.Ack(offset).ShouldBe(model.Add(offset));
        }

        var cursor = Enumerable.Range(0, int.MaxValue).First(i => !model.Contains(i));
        state.Cursor.ShouldBe(cursor);
        state.AckedAbove.ShouldBe(model.Count(offset => offset > cursor));
        foreach (var offset in Enumerable.Range(0, 21_000))
        {
            state.IsAcked(offset).ShouldBe(model.Contains(offset));
        }

        state.Runs().SelectMany(run => Enumerable.Range(0, (int)run.Count).Select(i => run.First + i))
            .ShouldBe(model.Where(offset => offset > cursor).Order());
    }

    [Fact]
    public void Acks_in_order_leave_nothing_but_the_cursor()
    {
        var state = new AckState(0);
        for (var offset = 0; offset < 100_000; offset++)
        {
            state.Ack(offset).ShouldBeTrue();
        }

        state.Cursor.ShouldBe(100_000);
        state.AckedAbove.ShouldBe(0);
        state.Runs().ShouldBeEmpty();
    }
}
