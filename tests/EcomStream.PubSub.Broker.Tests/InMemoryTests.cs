using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A broker that keeps everything in memory. Nothing else runs beside these tests: one measures memory.</summary>
[Collection(nameof(TimingTests))]
public sealed class InMemoryTests
{
    [Fact]
    public async Task Messages_acks_snapshots_and_seeks_work_without_a_file()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true, SegmentBytes = 4_096 });
        await client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
        {
            Subscription = new Subscription { Name = BrokerClient.Subscription, RetainAckedMessages = true }, UpdateMask = new FieldMask { Paths = { "retain_acked_messages" } },
        });
        await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/before", Subscription = BrokerClient.Subscription });
        await client.PublishManyAsync(2_000);
        for (var received = 0; received < 2_000;)
        {
            var messages = await client.PullAsync();
            await client.AckAsync(messages);
            received += messages.Count;
        }

        client.Stats.Backlog.ShouldBe(0);
        await client.Subscriber.SeekAsync(new SeekRequest { Subscription = BrokerClient.Subscription, Snapshot = "projects/p/snapshots/before" });
        client.Stats.Backlog.ShouldBe(2_000);
        (await client.PullAsync(1)).Select(BrokerClient.Text).ShouldBe(["message 0"]);
        Directory.Exists("memory").ShouldBeFalse();
        Directory.Exists("topics").ShouldBeFalse();
    }

    [Fact]
    public async Task What_is_acked_is_freed()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true, SegmentBytes = 64 << 10 });
        await client.PublishAsync("first");
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var round = 0; round < 60; round++)
        {
            await client.PublishAsync(new string('x', 1_000_000));
            await client.AckAsync(await client.PullAsync());
        }

        await Eventually.True(() => GC.GetTotalMemory(forceFullCollection: true) - before < 45_000_000, "the memory of acked messages is freed");
    }

    [Fact]
    public async Task Two_brokers_share_nothing_and_nothing_outlives_them()
    {
        await using (var one = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true }))
        await using (var other = await StartAsync())
        {
            (await other.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.ShouldBeEmpty();
            await one.PublishAsync("gone");
        }

        await using var again = await StartAsync();
        (await again.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.ShouldBeEmpty();
    }

    [Fact]
    public async Task Without_a_folder_a_broker_says_what_to_set() =>
        (await Should.ThrowAsync<BrokerStartException>(() => EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions()))).Message.ShouldContain("InMemory");

    private static Task<BrokerClient> StartAsync() => BrokerClient.StartAsync("", o => o with { InMemory = true });
}
