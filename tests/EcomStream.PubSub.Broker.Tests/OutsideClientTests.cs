using System.Text.Json;
using EcomStream.TestSupport;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>The official Node client of Cloud Pub/Sub, with PUBSUB_EMULATOR_HOST as its only setting.</summary>
public sealed class OutsideClientTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task The_official_client_makes_a_topic_and_a_subscription_publishes_receives_nacks_and_acks()
    {
        OfficialNodeClient.SkipWhereItIsNot();
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder.Path });

        // Fewer than the 3,000 acks at which the client sends a batch by itself: an ack() that finds the batch full waits
        // for that call, and close() drops it (seen with 5.3.1).
        var said = JsonDocument.Parse(await OfficialNodeClient.RunAsync("everyday.cjs", broker.Endpoint, "2000")).RootElement;

        said.GetProperty("published").GetInt32().ShouldBe(2_000);
        said.GetProperty("right").GetInt32().ShouldBe(2_000);
        said.GetProperty("nackedCameBack").GetBoolean().ShouldBeTrue();
        said.GetProperty("topics").EnumerateArray().Select(name => name.GetString()).ShouldBe(["projects/outside/topics/everyday"]);
        said.GetProperty("subscriptions").EnumerateArray().Select(name => name.GetString()).ShouldBe(["projects/outside/subscriptions/everyday-sub"]);
        said.GetProperty("ackDeadlineSeconds").GetInt32().ShouldBe(30);
        await Eventually.True(() => broker.GetSubscriptionStats("projects/outside/subscriptions/everyday-sub")!.Value.Backlog == 0, "every message is acked");
    }

    [SkippableFact]
    public async Task The_official_client_uses_ordering_filters_exactly_once_delivery_dead_letters_snapshots_and_seek()
    {
        OfficialNodeClient.SkipWhereItIsNot();
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder.Path });
        var said = JsonDocument.Parse(await OfficialNodeClient.RunAsync("features.cjs", broker.Endpoint)).RootElement;

        said.GetProperty("inOrder").GetBoolean().ShouldBeTrue();
        said.GetProperty("filtered").GetString().ShouldBe("eu,eu");
        said.GetProperty("exactlyOnce").GetString().ShouldBe("SUCCESS");
        var deadLetters = said.GetProperty("deadLetters");
        deadLetters.GetProperty("attempts").EnumerateArray().Select(a => a.GetInt32()).ShouldBe([1, 2, 3, 4, 5]);
        deadLetters.GetProperty("count").GetString().ShouldBe("5");
        var replay = said.GetProperty("replay");
        replay.GetProperty("again").EnumerateArray().Select(a => a.GetString()).ShouldBe(["first", "first"]);
        replay.GetProperty("snapshots").EnumerateArray().Select(a => a.GetString()).ShouldBe(["projects/outside/snapshots/snap"]);
        var metadata = said.GetProperty("metadata");
        metadata.GetProperty("ackDeadlineSeconds").GetInt32().ShouldBe(42);
        metadata.GetProperty("labels").GetProperty("team").GetString().ShouldBe("shop");
        metadata.GetProperty("retention").GetString().ShouldBe("3600");
        metadata.GetProperty("backoff").GetString().ShouldBe("60");
        metadata.GetProperty("neverExpires").GetBoolean().ShouldBeTrue();
        metadata.GetProperty("detached").GetBoolean().ShouldBeTrue();
    }

    [SkippableFact]
    public async Task One_official_client_with_60_subscriptions_loses_nothing()
    {
        const int Subscriptions = 60;
        const int Messages = 200;
        OfficialNodeClient.SkipWhereItIsNot();
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder.Path });

        var said = JsonDocument.Parse(await OfficialNodeClient.RunAsync("many.cjs", broker.Endpoint, $"{Subscriptions}", $"{Messages}")).RootElement;

        said.GetProperty("received").EnumerateArray().Select(count => count.GetInt32()).ShouldBe(Enumerable.Repeat(Messages, Subscriptions));
        await Eventually.True(
            () => Enumerable.Range(0, Subscriptions).All(n => broker.GetSubscriptionStats($"projects/outside/subscriptions/many-sub-{n}")!.Value.Backlog == 0),
            "every message is acked");
    }
}
