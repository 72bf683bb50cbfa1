using Akka.Actor;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.Host;
using EcomStream.Hosting;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.EndToEnd.Tests.Unmatched;

/// <summary>Orders that are read far behind the payments make no false dead letter, whatever the grace.</summary>
public sealed class SlowOrdersTests
{
    [Fact]
    public Task On_the_embedded_store_orders_at_a_tenth_of_the_payments_rate_make_no_false_dead_letter() =>
        Run(StoreUnderTest.Sqlite, TestSize.Of(full: 40_000, part: 16_000), TestSize.Of(full: 500, part: 200));

    [SkippableFact]
    public Task On_Cassandra_orders_at_a_tenth_of_the_payments_rate_make_no_false_dead_letter() =>
        Run(StoreUnderTest.Cassandra, TestSize.Of(full: 20_000, part: 16_000), orphans: 200);

    private static async Task Run(Func<Workplace, StoreUnderTest> kind, int orders, int orphans)
    {
        using var place = new Workplace();
        var storeUnderTest = kind(place);
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = Path.Combine(place.Folder, "broker"), Port = 0 });
        var config = ConfigurationFactory.ParseString("""
            akka.loglevel = WARNING
            ecomstream.unmatched.grace = 1s
            ecomstream.writer { writers = 2, max-in-flight = 4 }
            """).WithFallback(HostSettings.Reference);
        var settings = PubSubSettings.Read(config, broker.Endpoint);
        using var connection = PubSubConnection.Create(settings, NullLoggerFactory.Instance);
        await Setup.CreateMissingAsync(HostSettings.Read(config, broker.Endpoint), connection, NullLoggerFactory.Instance, CancellationToken.None);
        await using var publisher = new PubSubPublisher(connection);
        var shop = new Simulator(new SimulatorOptions { Orders = orders, Payments = orders, Orphans = (double)orphans / orders, Sequence = ProduceSequence.Interleaved });
        await new Producer(publisher, "orders_data", "payments_data").RunAsync(shop.Messages(), rate: 0, CancellationToken.None);
        shop.Orphans.ShouldBeInRange(orphans * 8 / 10, orphans * 12 / 10);

        await using var store = await storeUnderTest.OpenAsync();
        var payments = new CountedSubscription(new PubSubSubscription(connection, "payments_data-sub"));
        var slowed = new SlowedSubscription(new PubSubSubscription(connection, "orders_data-sub"), payments, share: 0.1);
        var system = ActorSystem.Create("slow", config);
        await using var pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(store, slowed, payments, publisher));

        var mostWaiting = 0;
        await Eventually.True(
            () =>
            {
                mostWaiting = Math.Max(mostWaiting, pipeline.Status.WaitingOrders);
                return pipeline.Completion.IsCompleted || (slowed.Received >= orders && pipeline.Status.IsIdleFor(TimeSpan.FromSeconds(3)));
            },
            "everything is joined or dead-lettered",
            TimeSpan.FromMinutes(8));
        pipeline.Completion.IsFaulted.ShouldBeFalse();
        (slowed.Rate / payments.Rate).ShouldBeLessThan(0.2);
        mostWaiting.ShouldBeGreaterThan(orders / 2, "the orders were to be far behind");

        (await StoreUnderTest.CompleteAsync(store, orders)).ShouldBe(orders);
        var rows = await StoreUnderTest.UnmatchedAsync(store);
        rows.Where(row => row.State == UnmatchedState.DeadLettered).Select(row => row.OrderId).ShouldAllBe(orderId => orderId > orders);
        rows.Count(row => row.State == UnmatchedState.DeadLettered).ShouldBe(shop.Orphans);
        rows.Count(row => row.State == UnmatchedState.Waiting).ShouldBe(0);
        broker.GetSubscriptionStats("projects/ecomstream/subscriptions/dlq_payments_data-sub").ShouldNotBeNull().Backlog.ShouldBe(shop.Orphans);

        await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
    }
}
