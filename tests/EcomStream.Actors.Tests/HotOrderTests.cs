using System.Diagnostics;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>Many payments of one order cost no more each than a few, and hold up no other order.</summary>
[Trait("Speed", "Slow")]
public sealed class HotOrderTests
{
    [Fact]
    public async Task Ten_thousand_payments_of_one_order_hold_up_no_other_order_and_are_joined_or_superseded()
    {
        const int Payments = 10_000;
        await using var pipeline = PipelineFixture.Start("ecomstream.unmatched.grace = 10m");
        var clock = Stopwatch.StartNew();
        foreach (var chunk in Enumerable.Range(1, Payments).Chunk(1_000))
        {
            pipeline.Payments.Publish(chunk.Select(n => Shop.PaymentData(0, n)));
        }

        pipeline.Orders.Publish(Shop.OrderData(1));
        pipeline.Payments.Publish(Shop.PaymentData(1));
        await Eventually.True(() => pipeline.Store.Facts.GetValueOrDefault(1)?.Payment is not null, "an unrelated pair is joined");
        await Eventually.True(() => pipeline.IsDrained, "every payment has its row", TimeSpan.FromSeconds(60));
        pipeline.Store.Unmatched.Count.ShouldBe(Payments);
        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(60));

        pipeline.Orders.Publish(Shop.OrderData(0));
        await Eventually.True(
            () => pipeline.Publisher.Published.Count == Payments - 1 && pipeline.Store.Unmatched.All(row => row.State != Core.UnmatchedState.Waiting),
            "one payment is joined, the others are superseded",
            TimeSpan.FromSeconds(60));
        pipeline.DeadLetters.ShouldAllBe(letter => letter.Reason == "superseded");
        pipeline.Store.Facts[0].Payment!.PaymentId.ShouldNotBeNull();
    }
}
