using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Seek and snapshots.</summary>
public sealed class ReplayConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Replay)]
    public Task A_seek_back_brings_retained_messages_again(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.RetainAckedMessages = true);
        var (first, second) = await TwoAckedAsync(pubsub);
        await SeekAsync(pubsub, second.Message.PublishTime);
        var again = await pubsub.PullExactlyAsync(1);
        again.Select(Text).ShouldBe(["second"]);
        await pubsub.AckAsync(again);
        await SeekAsync(pubsub, first.Message.PublishTime);
        (await pubsub.PullExactlyAsync(2)).Select(Text).Order().ShouldBe(["first", "second"]);
    });

    [SkippableTheory]
    [OnBoth(References.Replay, Emulator = "A topic retains nothing.")]
    public Task Messages_that_a_topic_retains_can_be_replayed_by_every_subscription(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic, MessageRetentionDuration = new Duration { Seconds = 600 } });
        var made = await pubsub.SubscribeAsync("orders-sub");
        made.TopicMessageRetentionDuration.ShouldNotBeNull().Seconds.ShouldBe(600);
        var (first, _) = await TwoAckedAsync(pubsub);
        await SeekAsync(pubsub, first.Message.PublishTime);
        (await pubsub.PullExactlyAsync(2)).Select(Text).Order().ShouldBe(["first", "second"]);
    });

    [SkippableTheory]
    [OnBoth(References.Replay)]
    public Task What_is_acked_and_not_retained_does_not_come_again(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var (first, _) = await TwoAckedAsync(pubsub);
        await SeekAsync(pubsub, first.Message.PublishTime);
        (await pubsub.PullAsync()).ShouldBeEmpty();
    });

    [SkippableTheory]
    [OnBoth(References.Replay)]
    public Task A_seek_into_the_future_purges_the_backlog(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a", "b");
        await SeekAsync(pubsub, DateTimeOffset.UtcNow.AddHours(1).ToTimestamp());
        (await pubsub.PullAsync()).ShouldBeEmpty();
        await pubsub.PassAsync(TimeSpan.FromSeconds(1));
        await pubsub.PublishAsync("c");
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["c"]);
    });

    [SkippableTheory]
    [OnBoth(References.Replay)]
    public Task A_seek_to_a_snapshot_brings_what_was_unacked_then_and_all_that_came_after(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("acked");
        await pubsub.AckAsync(await pubsub.PullExactlyAsync(1));
        await pubsub.PublishAsync("unacked");
        await pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = pubsub.NameOfSnapshot("snap"), Subscription = pubsub.Subscription });
        await pubsub.PublishAsync("after");
        await pubsub.AckAsync(await pubsub.PullExactlyAsync(2));
        await SeekAsync(pubsub, pubsub.NameOfSnapshot("snap"));
        (await pubsub.PullExactlyAsync(2)).Select(Text).Order().ShouldBe(["after", "unacked"]);
        (await pubsub.PullAsync()).ShouldBeEmpty();
    });

    [SkippableTheory]
    [OnBoth(References.Replay, Emulator = "Messages published before the subscription was created are not delivered.")]
    public Task Another_subscription_of_the_topic_can_seek_to_a_snapshot(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        await pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = pubsub.NameOfSnapshot("snap"), Subscription = pubsub.Subscription });
        await pubsub.SubscribeAsync("second");
        await pubsub.Subscriber.SeekAsync(new SeekRequest { Subscription = pubsub.NameOfSubscription("second"), Snapshot = pubsub.NameOfSnapshot("snap") });
        (await pubsub.PullExactlyAsync(1, pubsub.NameOfSubscription("second"))).Select(Text).ShouldBe(["a"]);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "UpdateSnapshot is UNIMPLEMENTED.")]
    public Task A_snapshot_expires_after_seven_days_and_can_be_read_listed_updated_and_deleted(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var name = pubsub.NameOfSnapshot("snap");
        var made = await pubsub.Subscriber.CreateSnapshotAsync(
            new CreateSnapshotRequest { Name = name, Subscription = pubsub.Subscription, Labels = { ["team"] = "shop" } });
        made.Topic.ShouldBe(pubsub.Topic);
        made.ExpireTime.ToDateTimeOffset().ShouldBe(DateTimeOffset.UtcNow.AddDays(7), TimeSpan.FromMinutes(10));
        (await pubsub.Subscriber.GetSnapshotAsync(new GetSnapshotRequest { Snapshot = name })).ShouldBe(made);
        (await pubsub.Subscriber.ListSnapshotsAsync(new ListSnapshotsRequest { Project = pubsub.Project })).Snapshots.ShouldBe([made]);
        (await pubsub.Publisher.ListTopicSnapshotsAsync(new ListTopicSnapshotsRequest { Topic = pubsub.Topic })).Snapshots.ShouldBe([name]);
        var updated = await pubsub.Subscriber.UpdateSnapshotAsync(new UpdateSnapshotRequest
        {
            Snapshot = new Snapshot { Name = name, Labels = { ["owner"] = "me" } },
            UpdateMask = new FieldMask { Paths = { "labels" } },
        });
        updated.Labels.ShouldHaveSingleItem().Key.ShouldBe("owner");
        updated.ExpireTime.ShouldBe(made.ExpireTime);
        await pubsub.Subscriber.DeleteSnapshotAsync(new DeleteSnapshotRequest { Snapshot = name });
        (await StatusOf(pubsub.Subscriber.GetSnapshotAsync(new GetSnapshotRequest { Snapshot = name }))).ShouldBe(StatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "A name is required.")]
    public Task A_snapshot_without_a_name_gets_a_generated_name(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Subscription = pubsub.Subscription }))
            .Name.ShouldStartWith($"{pubsub.Project}/snapshots/");
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Wrong_snapshots_and_seeks_are_refused(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var name = pubsub.NameOfSnapshot("snap");
        (await StatusOf(pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = name, Subscription = pubsub.NameOfSubscription("none") })))
            .ShouldBe(StatusCode.NotFound);
        (await StatusOf(pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = pubsub.NameOfSnapshot("a"), Subscription = pubsub.Subscription })))
            .ShouldBe(StatusCode.InvalidArgument);
        await pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = name, Subscription = pubsub.Subscription });
        (await StatusOf(pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = name, Subscription = pubsub.Subscription })))
            .ShouldBe(StatusCode.AlreadyExists);
        (await StatusOf(pubsub.Subscriber.SeekAsync(new SeekRequest { Subscription = pubsub.Subscription, Snapshot = pubsub.NameOfSnapshot("none") })))
            .ShouldBe(StatusCode.NotFound);
        (await StatusOf(pubsub.Subscriber.SeekAsync(new SeekRequest { Subscription = pubsub.Subscription }))).ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "A seek to a snapshot of another topic is not refused as an argument.")]
    public Task A_snapshot_can_be_used_only_by_subscriptions_of_its_topic(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = pubsub.NameOfSnapshot("snap"), Subscription = pubsub.Subscription });
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.NameOfTopic("other") });
        await pubsub.Subscriber.CreateSubscriptionAsync(new Subscription { Name = pubsub.NameOfSubscription("other-sub"), Topic = pubsub.NameOfTopic("other") });
        (await StatusOf(pubsub.Subscriber.SeekAsync(
            new SeekRequest { Subscription = pubsub.NameOfSubscription("other-sub"), Snapshot = pubsub.NameOfSnapshot("snap") })))
            .ShouldBe(StatusCode.InvalidArgument);
    });

    private static async Task<(ReceivedMessage First, ReceivedMessage Second)> TwoAckedAsync(PubSubUnderTest pubsub)
    {
        await pubsub.PublishAsync("first");
        var first = await pubsub.PullExactlyAsync(1);
        await pubsub.PassAsync(TimeSpan.FromSeconds(1));
        await pubsub.PublishAsync("second");
        var second = await pubsub.PullExactlyAsync(1);
        await pubsub.AckAsync([.. first, .. second]);
        return (first[0], second[0]);
    }

    private static async Task SeekAsync(PubSubUnderTest pubsub, Timestamp time) =>
        await pubsub.Subscriber.SeekAsync(new SeekRequest { Subscription = pubsub.Subscription, Time = time });

    private static async Task SeekAsync(PubSubUnderTest pubsub, string snapshot) =>
        await pubsub.Subscriber.SeekAsync(new SeekRequest { Subscription = pubsub.Subscription, Snapshot = snapshot });
}
