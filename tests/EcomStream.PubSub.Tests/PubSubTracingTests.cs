using System.Diagnostics;
using EcomStream.Core;

namespace EcomStream.PubSub.Tests;

public sealed class PubSubTracingTests
{
    [Fact]
    public void The_share_of_messages_that_have_a_span_is_the_ratio()
    {
        Count(WithTrace, 0.25).ShouldBeInRange(2_200, 2_800);
        Count(() => Delivery.NoAttributes, 0.25).ShouldBeInRange(2_200, 2_800);
    }

    [Fact]
    public void All_messages_of_one_trace_are_chosen_or_none()
    {
        for (var n = 0; n < 100; n++)
        {
            var trace = ActivityTraceId.CreateRandom();
            var choices = Enumerable.Range(0, 5).Select(_ => PubSubTracing.IsSampled(Attributes(trace), 0.5)).Distinct();
            choices.Count().ShouldBe(1);
        }
    }

    [Fact]
    public void Ratios_of_0_and_1_are_exact()
    {
        Count(WithTrace, 0).ShouldBe(0);
        Count(() => Delivery.NoAttributes, 1).ShouldBe(10_000);
        Should.Throw<ArgumentOutOfRangeException>(() => PubSubTracing.SampleRatio = 1.1);
    }

    private static int Count(Func<IReadOnlyDictionary<string, string>> attributes, double ratio) =>
        Enumerable.Range(0, 10_000).Count(_ => PubSubTracing.IsSampled(attributes(), ratio));

    private static IReadOnlyDictionary<string, string> WithTrace() => Attributes(ActivityTraceId.CreateRandom());

    private static Dictionary<string, string> Attributes(ActivityTraceId trace) => new() { [DeadLetter.TraceParent] = $"00-{trace}-{ActivitySpanId.CreateRandom()}-01" };
}
