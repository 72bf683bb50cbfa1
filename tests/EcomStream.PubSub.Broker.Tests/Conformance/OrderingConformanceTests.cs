using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Messages with the same ordering key.</summary>
public sealed class OrderingConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Ordering)]
    public Task Messages_of_a_key_come_in_the_order_in_which_they_were_published(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.EnableMessageOrdering = true);
        for (var n = 0; n < 50; n++)
        {
            await PublishAsync(pubsub, "a", $"a{n}");
            await PublishAsync(pubsub, "b", $"b{n}");
        }

        var received = await pubsub.PullExactlyAsync(100);
        received.Select(Text).Where(t => t[0] == 'a').ShouldBe(Enumerable.Range(0, 50).Select(n => $"a{n}"));
        received.Select(Text).Where(t => t[0] == 'b').ShouldBe(Enumerable.Range(0, 50).Select(n => $"b{n}"));
    });

    [SkippableTheory]
    [OnBoth(References.Ordering)]
    public Task What_follows_in_a_key_comes_when_what_was_delivered_is_acked(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.EnableMessageOrdering = true);
        await PublishAsync(pubsub, "a", "first");
        var first = await pubsub.PullExactlyAsync(1);
        await PublishAsync(pubsub, "a", "second");
        await PublishAsync(pubsub, "b", "of another key");
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["of another key"]);
        (await pubsub.PullAsync()).ShouldBeEmpty();
        await pubsub.AckAsync(first);
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["second"]);
    });

    [SkippableTheory]
    [OnBoth(References.Ordering, Emulator = "Later messages are delivered before it.")]
    public Task The_redelivery_of_a_message_includes_the_later_messages_of_its_key(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.EnableMessageOrdering = true);
        await PublishAsync(pubsub, "a", "1", "2", "3");
        var received = await pubsub.PullExactlyAsync(3);
        await pubsub.AckAsync(received[0]);
        await pubsub.NackAsync(received[1]);
        (await pubsub.PullExactlyAsync(2)).Select(Text).ShouldBe(["2", "3"]);
    });

    [SkippableTheory]
    [OnBoth(References.Ordering)]
    public Task An_ack_counts_when_what_comes_before_it_is_acked(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => (s.EnableMessageOrdering, s.AckDeadlineSeconds) = (true, 10));
        await PublishAsync(pubsub, "a", "1", "2");
        var received = await pubsub.PullExactlyAsync(2);
        await pubsub.AckAsync(received[1]);
        await pubsub.PassAsync(TimeSpan.FromSeconds(13));
        (await pubsub.PullExactlyAsync(2)).Select(Text).ShouldBe(["1", "2"]);
    });

    [SkippableTheory]
    [OnBoth(References.Ordering)]
    public Task Messages_without_a_key_do_not_wait(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.EnableMessageOrdering = true);
        await pubsub.PublishAsync("a");
        await pubsub.PullExactlyAsync(1);
        await pubsub.PublishAsync("b");
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["b"]);
    });

    private static Task<IReadOnlyList<string>> PublishAsync(PubSubUnderTest pubsub, string key, params string[] texts) =>
        pubsub.PublishAsync([.. texts.Select(text => new PubsubMessage { OrderingKey = key, Data = ByteString.CopyFromUtf8(text) })]);
}
