using Akka.TestKit.Xunit2;
using EcomStream.Testing;

namespace EcomStream.Samples.Tests;

/// <summary>A payment whose order is late, on a clock that the test moves.</summary>
public sealed class LatePaymentTests() : TestKit(PipelineHarness.Configuration("ecomstream.unmatched.grace = 30s"))
{
    [Fact]
    public async Task A_payment_waits_for_its_order_and_is_joined()
    {
        await using var join = await PipelineHarness.StartAsync(Sys);
        join.Payments.Publish("""{"payment_id": 900, "order_id": 7, "payment_status": "Completed"}""");
        await join.AdvanceAsync(TimeSpan.FromSeconds(29));
        join.Orders.Publish("""{"order_id": 7, "item": "Book", "quantity": 2}""");
        await join.AdvanceAsync();

        join.Store.Facts[7].Payment!.PaymentId.ShouldBe(900);
        join.Publisher.Published.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_payment_without_an_order_is_dead_lettered_after_the_grace_period()
    {
        await using var join = await PipelineHarness.StartAsync(Sys);
        join.Payments.Publish("""{"payment_id": 900, "order_id": 7}""");
        await join.AdvanceAsync(TimeSpan.FromSeconds(40));

        join.Publisher.Published.ShouldHaveSingleItem().Message.Attributes["reason"].ShouldBe("no-matching-order");
    }
}
