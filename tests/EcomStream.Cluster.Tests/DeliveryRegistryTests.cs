using EcomStream.Core;

namespace EcomStream.Cluster.Tests;

/// <summary>The deliveries that a node has sent to a shard: none is forgotten, and none is settled twice.</summary>
public sealed class DeliveryRegistryTests
{
    private readonly DeliveryRegistry<string> _registry = new();

    [Fact]
    public void A_settled_delivery_is_taken_out_once()
    {
        var deliveries = Deliveries(3);
        var batch = _registry.Add([.. deliveries], at: 1);

        _registry.Take(DeliveryId.Of(batch, 1)).ShouldBe(deliveries[1]);
        _registry.Take(DeliveryId.Of(batch, 1)).ShouldBeNull();
        _registry.Take(DeliveryId.Of(batch, 3)).ShouldBeNull();
        _registry.Take(DeliveryId.Of(batch + 1, 0)).ShouldBeNull();
        _registry.Open.ShouldBe(2);
    }

    [Fact]
    public void What_a_lost_shard_had_accepted_is_taken_out_and_nothing_else()
    {
        var (lost, kept, unknown) = (Deliveries(2), Deliveries(2), Deliveries(1));
        _registry.Accepted(_registry.Add([.. lost], at: 1), "first life");
        _registry.Accepted(_registry.Add([.. kept], at: 2), "second life");
        _registry.Add([.. unknown], at: 3);

        // Another object with the same value: references to an actor of another node are made anew for each message.
        _registry.TakeLost(new string("first life".AsSpan())).ShouldBe(lost);

        _registry.Open.ShouldBe(3);
        _registry.TakeLost("first life").ShouldBeEmpty();
    }

    [Fact]
    public void What_no_shard_has_accepted_in_time_is_taken_out()
    {
        var (old, accepted, young) = (Deliveries(2), Deliveries(2), Deliveries(1));
        _registry.Add([.. old], at: 1);
        _registry.Accepted(_registry.Add([.. accepted], at: 1), "life");
        _registry.Add([.. young], at: 10);

        _registry.TakeNotAccepted(sentUntil: 5).ShouldBe(old);
        _registry.Open.ShouldBe(3);
    }

    [Fact]
    public void A_refused_batch_is_taken_out_without_what_was_settled_before()
    {
        var deliveries = Deliveries(3);
        var batch = _registry.Add([.. deliveries], at: 1);
        _registry.Take(DeliveryId.Of(batch, 0));

        _registry.TakeBatch(batch).ShouldBe([deliveries[1], deliveries[2]]);
        _registry.TakeBatch(batch).ShouldBeEmpty();
        _registry.Open.ShouldBe(0);
    }

    private static List<Delivery> Deliveries(int count) =>
        [.. Enumerable.Range(0, count).Select(n => new StoredDelivery(default, $"{n}", n, "orders_data-sub"))];
}
