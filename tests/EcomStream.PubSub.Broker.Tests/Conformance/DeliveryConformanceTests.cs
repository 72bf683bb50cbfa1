using Google.Cloud.PubSub.V1;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Pull, acks and leases.</summary>
public sealed class DeliveryConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Each_subscription_gets_everything_published_after_it_was_made(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("before");
        await pubsub.SubscribeAsync("second");
        await pubsub.PublishAsync("after");
        (await pubsub.PullExactlyAsync(2)).Select(Text).Order().ShouldBe(["after", "before"]);
        (await pubsub.PullExactlyAsync(1, pubsub.NameOfSubscription("second"))).Select(Text).ShouldBe(["after"]);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_pull_brings_at_most_what_it_asks_for_and_asks_for_at_least_one(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a", "b", "c");
        (await pubsub.PullSomeAsync(max: 2)).Count.ShouldBeInRange(1, 2);
        (await StatusOf(() => pubsub.PullAsync(max: 0))).ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_pull_waits_for_a_message(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var pull = pubsub.Subscriber.PullAsync(new PullRequest { Subscription = pubsub.Subscription, MaxMessages = 10 });
        await pubsub.PublishAsync("late");
        (await pull).ReceivedMessages.Select(Text).ShouldBe(["late"]);
    });

    [SkippableTheory]
    [OnBoth(References.Leases)]
    public Task What_is_acked_is_not_delivered_again(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.AckDeadlineSeconds = 10);
        await pubsub.PublishAsync("a", "b");
        await pubsub.AckAsync(await pubsub.PullExactlyAsync(2));
        await pubsub.NothingComesAsync(TimeSpan.FromSeconds(13));
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_message_may_be_acked_more_than_once(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        var received = await pubsub.PullExactlyAsync(1);
        await pubsub.AckAsync([.. received, .. received]);
        (await StatusOf(() => AckedAsync(pubsub, received))).ShouldBe(StatusCode.OK);
    });

    [SkippableTheory]
    [OnBoth(References.Leases)]
    public Task What_is_not_acked_is_delivered_again_after_its_deadline_and_not_before(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.AckDeadlineSeconds = 10);
        await pubsub.PublishAsync("a");
        var requested = pubsub.Time.GetTimestamp();
        var first = await pubsub.PullExactlyAsync(1);
        var second = await pubsub.RedeliveredAsync(requested, TimeSpan.FromSeconds(10));
        second.Message.ShouldBe(first[0].Message);
    });

    [SkippableTheory]
    [OnBoth(References.Leases)]
    public Task A_lease_that_is_extended_lasts_longer(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.AckDeadlineSeconds = 10);
        await pubsub.PublishAsync("a");
        await pubsub.ModifyAsync(await pubsub.PullExactlyAsync(1), LongLease);
        await pubsub.NothingComesAsync(TimeSpan.FromSeconds(13));
    });

    [SkippableTheory]
    [OnBoth(References.Leases)]
    public Task A_nack_gives_the_message_back_at_once(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        await pubsub.NackAsync(await pubsub.PullExactlyAsync(1));
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["a"]);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "A deadline above 600 s is accepted.")]
    public Task An_out_of_range_deadline_is_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        var received = await pubsub.PullExactlyAsync(1);
        foreach (var seconds in (int[])[-1, 601])
        {
            (await StatusOf(async () =>
            {
                await pubsub.ModifyAsync(received, seconds);
                return true;
            })).ShouldBe(StatusCode.InvalidArgument, $"{seconds} s");
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Without_ack_ids_and_with_malformed_ones_acks_are_refused(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(pubsub.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = pubsub.Subscription }))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(pubsub.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = pubsub.Subscription, AckIds = { "no such id" } })))
            .ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(pubsub.Subscriber.ModifyAckDeadlineAsync(
            new ModifyAckDeadlineRequest { Subscription = pubsub.Subscription, AckIds = { "no such id" }, AckDeadlineSeconds = 10 })))
            .ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "Larger ones are accepted.")]
    public Task A_request_with_ack_ids_has_at_most_512_KiB(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        var id = (await pubsub.PullExactlyAsync(1))[0].AckId;
        var ids = Enumerable.Repeat(id, (600 << 10) / id.Length).ToList();
        (await StatusOf(pubsub.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = pubsub.Subscription, AckIds = { ids } })))
            .ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(pubsub.Subscriber.ModifyAckDeadlineAsync(
            new ModifyAckDeadlineRequest { Subscription = pubsub.Subscription, AckIds = { ids }, AckDeadlineSeconds = 10 }))).ShouldBe(StatusCode.InvalidArgument);
    });

    private static async Task<bool> AckedAsync(PubSubUnderTest pubsub, IEnumerable<ReceivedMessage> messages)
    {
        await pubsub.AckAsync(messages);
        return true;
    }
}
