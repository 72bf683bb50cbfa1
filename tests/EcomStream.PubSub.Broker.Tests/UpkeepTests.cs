using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What takes days, on the broker's clock; and what of a subscription survives a restart.</summary>
public sealed class UpkeepTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_message_that_nobody_acks_goes_when_its_retention_has_passed()
    {
        await using var client = await StartAsync(s => s.MessageRetentionDuration = new Duration { Seconds = 3_600 });
        await client.PublishAsync("old");
        Pass(TimeSpan.FromMinutes(40));
        await client.PublishAsync("young");
        Pass(TimeSpan.FromMinutes(30));
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["young"]);
        client.Stats.Backlog.ShouldBe(1);
    }

    [Fact]
    public async Task With_ordering_what_was_acked_behind_a_message_that_goes_is_acked_then()
    {
        await using var client = await StartAsync(s => (s.EnableMessageOrdering, s.MessageRetentionDuration) = (true, new Duration { Seconds = 3_600 }));
        await PublishAsync("old");
        Pass(TimeSpan.FromMinutes(50));
        await PublishAsync("young");
        var pulled = await client.PullAsync();
        await client.ModifyAsync(pulled, 600);
        await client.AckAsync(pulled.Where(m => BrokerClient.Text(m) == "young"));
        client.Stats.Backlog.ShouldBe(2);
        _time.Advance(TimeSpan.FromMinutes(9));
        await client.ModifyAsync(pulled.Take(1), 600);
        _time.Advance(TimeSpan.FromMinutes(2));
        client.Stats.Backlog.ShouldBe(0);
        await PublishAsync("next");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["next"]);

        async Task PublishAsync(string text) => await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic,
            Messages = { new PubsubMessage { OrderingKey = "k", Data = Google.Protobuf.ByteString.CopyFromUtf8(text) } },
        });
    }

    [Fact]
    public async Task A_subscription_that_nobody_uses_expires_and_one_that_is_pulled_from_does_not()
    {
        await using var client = await StartAsync(s => s.ExpirationPolicy = new ExpirationPolicy { Ttl = new Duration { Seconds = 86_400 } });
        Pass(TimeSpan.FromHours(23));
        await client.PullAsync();
        Pass(TimeSpan.FromHours(23));
        (await StatusOf(() => client.PullAsync())).ShouldBe(StatusCode.OK);
        Pass(TimeSpan.FromHours(25));
        (await StatusOf(() => client.PullAsync())).ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task A_snapshot_expires_and_lets_go_of_what_it_held()
    {
        await using var client = await StartAsync(segmentBytes: 1_000);
        await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/snap", Subscription = BrokerClient.Subscription });
        await client.PublishManyAsync(1_000);
        await client.AckAsync(await client.PullAsync());
        Pass(TimeSpan.FromMinutes(1));
        Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Length.ShouldBeGreaterThan(1);
        Pass(TimeSpan.FromDays(7));
        (await StatusOf(client.Subscriber.GetSnapshotAsync(new GetSnapshotRequest { Snapshot = "projects/p/snapshots/snap" }))).ShouldBe(StatusCode.NotFound);
        Pass(TimeSpan.FromMinutes(1));
        Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_snapshot_of_a_backlog_that_is_about_to_expire_is_refused()
    {
        await using var client = await StartAsync(s => s.MessageRetentionDuration = new Duration { Seconds = 14 * 86_400 });
        await client.PublishAsync("old");
        Pass(TimeSpan.FromDays(6) + TimeSpan.FromHours(23.5));
        (await StatusOf(client.Subscriber.CreateSnapshotAsync(
            new CreateSnapshotRequest { Name = "projects/p/snapshots/snap", Subscription = BrokerClient.Subscription }))).ShouldBe(StatusCode.FailedPrecondition);
    }

    [Fact]
    public async Task Retained_acks_can_be_taken_back_for_as_long_as_they_are_retained_and_no_longer()
    {
        await using var client = await StartAsync(s => (s.RetainAckedMessages, s.MessageRetentionDuration) = (true, new Duration { Seconds = 3_600 }), segmentBytes: 1_000);
        var begin = _time.GetUtcNow();
        await client.PublishManyAsync(100);
        await client.AckAsync(await client.PullAsync());
        Pass(TimeSpan.FromMinutes(50));
        await SeekAsync(client, begin);
        (await client.PullAsync()).Count.ShouldBe(100);
        await client.AckAsync(await RepulledAsync(client));
        Pass(TimeSpan.FromMinutes(20));
        await SeekAsync(client, begin);
        (await client.PullAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task Settings_snapshots_and_failed_deliveries_survive_a_restart()
    {
        Subscription before;
        await using (var client = await StartAsync(s =>
        {
            s.EnableMessageOrdering = true;
            s.Filter = "attributes:wanted";
            s.RetryPolicy = new RetryPolicy { MinimumBackoff = new Duration { Seconds = 1 } };
            s.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = BrokerClient.Topic, MaxDeliveryAttempts = 5 };
            s.Labels["team"] = "shop";
            s.ExpirationPolicy = new ExpirationPolicy();
        }))
        {
            await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/snap", Subscription = BrokerClient.Subscription });
            await client.Publisher.PublishAsync(new PublishRequest
            {
                Topic = BrokerClient.Topic,
                Messages =
                {
                    new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFromUtf8("no") },
                    new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFromUtf8("yes"), Attributes = { ["wanted"] = "" } },
                },
            });
            for (var attempt = 1; attempt <= 2; attempt++)
            {
                var pulled = await client.PullAsync();
                pulled.ShouldHaveSingleItem().DeliveryAttempt.ShouldBe(attempt);
                await client.ModifyAsync(pulled, 0);
                Pass(TimeSpan.FromSeconds(5));
            }

            before = await client.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = BrokerClient.Subscription });
        }

        await using var after = await BrokerClient.StartAsync(_folder.Path, o => o with { Time = _time, Fsync = FsyncPolicy.Never });
        (await after.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = BrokerClient.Subscription })).ShouldBe(before);
        var again = await after.PullAsync();
        again.ShouldHaveSingleItem().DeliveryAttempt.ShouldBe(3);
        await after.AckAsync(again);
        await after.Subscriber.SeekAsync(new SeekRequest { Subscription = BrokerClient.Subscription, Snapshot = "projects/p/snapshots/snap" });
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["yes"]);
    }

    [Fact]
    public async Task The_folder_of_a_broker_that_knew_only_ack_deadlines_is_opened()
    {
        await using (var client = await StartAsync())
        {
            await client.PublishAsync("kept");
        }

        var path = Path.Combine(_folder.Path, "broker.json");
        var metadata = System.Text.Json.Nodes.JsonNode.Parse(await File.ReadAllTextAsync(path))!.AsObject();
        metadata.Remove("Snapshots");
        metadata["Topics"]![0]!.AsObject().Remove("Settings");
        metadata["Subscriptions"]![0]!.AsObject().Remove("Settings");
        metadata["Subscriptions"]![0]!.AsObject().Remove("RetainedFrom");
        await File.WriteAllTextAsync(path, metadata.ToJsonString());

        await using var after = await BrokerClient.StartAsync(_folder.Path);
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["kept"]);
        var read = await after.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = BrokerClient.Subscription });
        read.AckDeadlineSeconds.ShouldBe(10);
        read.ExpirationPolicy.Ttl.ShouldBeNull();
    }

    private async Task<BrokerClient> StartAsync(Action<Subscription>? settings = null, long segmentBytes = 64 << 20)
    {
        var client = await BrokerClient.StartAsync(_folder.Path, o => o with { Time = _time, Fsync = FsyncPolicy.Never, SegmentBytes = segmentBytes });
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        var subscription = new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, AckDeadlineSeconds = 10 };
        settings?.Invoke(subscription);
        await client.Subscriber.CreateSubscriptionAsync(subscription);
        return client;
    }

    // The upkeep runs on a timer of the broker's clock.
    private void Pass(TimeSpan time)
    {
        _time.Advance(time - TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(1));
    }

    private async Task<IReadOnlyList<ReceivedMessage>> RepulledAsync(BrokerClient client)
    {
        Pass(TimeSpan.FromSeconds(12));
        var pulled = await client.PullAsync();
        pulled.Count.ShouldBe(100);
        return pulled;
    }

    private static async Task SeekAsync(BrokerClient client, DateTimeOffset time) =>
        await client.Subscriber.SeekAsync(new SeekRequest { Subscription = BrokerClient.Subscription, Time = time.ToTimestamp() });
}
