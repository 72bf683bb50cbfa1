using System.Globalization;
using System.Text;
using Akka.Actor;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests.Unmatched;

/// <summary>
/// Two different payments of one order and the order itself, in every order of delivery, the payments delivered twice:
/// the newer one is in the row, the older one among the dead letters, once.
/// </summary>
public sealed class SupersededTests
{
    private const long Older = 1;
    private const long Newer = 2;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task On_the_embedded_store_the_newer_payment_is_in_the_row_and_the_older_superseded_once(int restartAfter) => Run(StoreUnderTest.Sqlite, restartAfter);

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task On_Cassandra_the_newer_payment_is_in_the_row_and_the_older_superseded_once(int restartAfter) => Run(StoreUnderTest.Cassandra, restartAfter);

    // Of five rounds, each order gets one message in each; the order of the messages is a permutation of its own.
    private static async Task Run(Func<Workplace, StoreUnderTest> kind, int restartAfter)
    {
        using var place = new Workplace();
        var storeUnderTest = kind(place);
        string[] messages = ["order", "older", "older", "newer", "newer"];
        var permutations = Permutations([0, 1, 2, 3, 4]).ToList();
        var publisher = new InMemoryPublisher();
        var shop = await Shop.StartAsync(storeUnderTest, publisher);
        for (var round = 0; round < messages.Length; round++)
        {
            for (var order = 0; order < permutations.Count; order++)
            {
                shop.Deliver(order + 1, messages[permutations[order][round]]);
            }

            await Eventually.True(() => shop.IsDrained, "every message is acked", TimeSpan.FromSeconds(60));
            if (round + 1 == restartAfter)
            {
                await shop.StopAsync();
                shop = await Shop.StartAsync(storeUnderTest, publisher);
            }
        }

        await shop.StopAsync();
        await using var store = await storeUnderTest.OpenAsync();
        var rows = await store.ReadAsync([.. Enumerable.Range(1, permutations.Count).Select(id => (long)id)], CancellationToken.None);
        rows.ShouldAllBe(row => row!.Order != null && row.Payment!.PaymentId == Newer);
        var letters = publisher.Published.Select(p => (p.Message.Attributes["order_id"], p.Message.Attributes["payment_id"], p.Message.Attributes["reason"])).ToList();
        letters.Order().ShouldBe(Enumerable.Range(1, permutations.Count)
            .Select(id => (id.ToString(CultureInfo.InvariantCulture), Older.ToString(CultureInfo.InvariantCulture), "superseded")).Order());
    }

    private static IEnumerable<int[]> Permutations(int[] items) => items.Length == 1
        ? [items]
        : items.SelectMany(first => Permutations([.. items.Where(item => item != first)]).Select(rest => (int[])[first, .. rest]));

    /// <summary>One life of the pipeline on the store.</summary>
    private sealed class Shop(ActorSystem system, IFactStore store, EcomStreamPipeline pipeline, InMemorySubscription orders, InMemorySubscription payments)
    {
        public bool IsDrained => orders.IsDrained && payments.IsDrained;

        public static async Task<Shop> StartAsync(StoreUnderTest storeUnderTest, InMemoryPublisher publisher)
        {
            var config = ConfigurationFactory.ParseString("""
                akka.loglevel = ERROR
                ecomstream.unmatched { grace = 10m, park-after = 20ms }
                """).WithFallback(EcomStreamSettings.Reference);
            var system = ActorSystem.Create("shop", config);
            var store = await storeUnderTest.OpenAsync();
            var (orders, payments) = (new InMemorySubscription("orders-sub"), new InMemorySubscription("payments-sub"));
            var pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(store, orders, payments, publisher));
            await pipeline.Started;
            return new Shop(system, store, pipeline, orders, payments);
        }

        public void Deliver(long orderId, string message)
        {
            if (message == "order")
            {
                orders.Publish(Encoding.UTF8.GetBytes($$"""{"order_id": {{orderId}}, "item": "Book"}"""), 1_000_001);
            }
            else
            {
                var (id, at) = message == "older" ? (Older, 2_000_001) : (Newer, 3_000_001);
                payments.Publish(Encoding.UTF8.GetBytes($$"""{"order_id": {{orderId}}, "payment_id": {{id}}}"""), at);
            }
        }

        public async Task StopAsync()
        {
            await CoordinatedShutdown.Get(system).Run(CoordinatedShutdown.ClrExitReason.Instance);
            await pipeline.Completion;
            await store.DisposeAsync();
        }
    }
}
