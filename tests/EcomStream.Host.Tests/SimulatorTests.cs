using System.Text;
using EcomStream.Core;

namespace EcomStream.Host.Tests;

public sealed class SimulatorTests
{
    [Fact]
    public void The_public_cycle_is_80_orders_and_500_payments_with_payment_id_order_id_plus_1000()
    {
        var messages = new Simulator(new SimulatorOptions()).Messages().ToList();
        messages.Count.ShouldBe(580);
        messages.Take(80).ShouldAllBe(m => m.IsOrder);
        Payments(messages).Select(p => p.OrderId).ShouldBe(Enumerable.Range(1, 500).Select(id => (long)id));
        Payments(messages).ShouldAllBe(p => p.PaymentId == p.OrderId + 1_000);
    }

    [Fact]
    public void The_same_seed_gives_the_same_messages_and_another_seed_gives_others()
    {
        static string All(int seed) => string.Join('\n', new Simulator(new SimulatorOptions
        {
            Seed = seed, Duplicates = 0.1, Reordered = 0.1, Malformed = 0.1, Orphans = 0.1,
        }).Messages().Select(m => Encoding.UTF8.GetString(m.Data)));
        All(3).ShouldBe(All(3));
        All(3).ShouldNotBe(All(4));
    }

    [Theory]
    [InlineData(ProduceSequence.OrdersFirst)]
    [InlineData(ProduceSequence.PaymentsFirst)]
    [InlineData(ProduceSequence.Interleaved)]
    public void Whatever_the_faults_every_order_and_payment_is_published_and_the_faults_are_counted(object sequence)
    {
        var shop = new Simulator(new SimulatorOptions
        {
            Orders = 300, Payments = 400, Sequence = (ProduceSequence)sequence, Duplicates = 0.2, Reordered = 0.3, Malformed = 0.1, Orphans = 0.1,
        });
        var messages = shop.Messages().ToList();
        var orders = messages.Where(m => m.IsOrder)
            .Select(m => OrderCodec.TryDecode(m.Data, out var order, out _) ? order.OrderId : 0).Where(id => id > 0);
        orders.Distinct().Order().ShouldBe(Enumerable.Range(1, 300).Select(id => (long)id));
        var paid = Payments(messages).Select(p => p.OrderId).ToList();
        paid.Where(id => id < 1_000_000).Distinct().Order().ShouldBe(Enumerable.Range(1, 400).Select(id => (long)id));
        paid.Where(id => id >= 1_000_000).Distinct().Count().ShouldBe(shop.Orphans);
        messages.Count(m => !OrderCodec.TryDecode(m.Data, out _, out _)).ShouldBe(shop.Malformed);
        shop.Malformed.ShouldBeGreaterThan(20);
        shop.Orphans.ShouldBeGreaterThan(10);
    }

    private static List<Payment> Payments(IEnumerable<SimulatedMessage> messages) =>
    [
        .. messages.Where(m => !m.IsOrder)
            .Select(m => PaymentCodec.TryDecode(m.Data, out var payment, out _) ? payment : null)
            .OfType<Payment>(),
    ];
}
