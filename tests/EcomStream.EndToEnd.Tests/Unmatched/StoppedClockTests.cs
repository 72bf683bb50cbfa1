using EcomStream.PubSub.Broker;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Net.Client;

namespace EcomStream.EndToEnd.Tests.Unmatched;

/// <summary>Without the orders nobody knows whether a payment's order is still to come: its grace stands still.</summary>
public sealed class StoppedClockTests
{
    [Fact]
    public async Task An_orders_subscription_that_is_deleted_ends_the_process_with_its_name_and_gives_no_payment_up()
    {
        using var place = new Workplace();
        await using var broker = await EmbeddedBroker.StartAsync(
            new EmbeddedBrokerOptions { DataDirectory = Path.Combine(place.Folder, "broker"), Port = place.Port });
        using var run = EcomStreamProcess.Start(
            new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = place.Endpoint },
            "run", "--data", place.Folder, "--set", "ecomstream.unmatched.grace=5s", "--set", "ecomstream.status-interval=200ms");
        await Eventually.True(() => run.Output.Contains("all orders published before", StringComparison.Ordinal), "the log shows the watermark", TimeSpan.FromSeconds(60));
        using var produce = EcomStreamProcess.Start(place.Produce("--orders", "0", "--payments", "20"));
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
        await Eventually.True(() => place.Unmatched("waiting") == 20, "the payments wait", TimeSpan.FromSeconds(20));

        using (var channel = GrpcChannel.ForAddress($"http://{place.Endpoint}"))
        {
            await new Subscriber.SubscriberClient(channel).DeleteSubscriptionAsync(
                new DeleteSubscriptionRequest { Subscription = "projects/ecomstream/subscriptions/orders_data-sub" });
        }

        (await run.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(2, run.Output);
        run.Output.ShouldContain("orders_data-sub");
        place.Unmatched("waiting").ShouldBe(20);

        // Once the subscription is there again, the grace runs again.
        using var again = EcomStreamProcess.Start(
            new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = place.Endpoint },
            "run", "--data", place.Folder, "--set", "ecomstream.unmatched.grace=5s", "--until-idle", Workplace.Idle);
        (await again.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, again.Output);
        place.Unmatched("dead-lettered").ShouldBe(20);
    }
}
