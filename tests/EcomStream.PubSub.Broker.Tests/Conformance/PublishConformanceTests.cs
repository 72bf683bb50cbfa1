using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Publish and its limits.</summary>
public sealed class PublishConformanceTests : ConformanceTest
{
    private static readonly ByteString Data = ByteString.CopyFromUtf8("x");

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_message_arrives_with_everything_and_an_id_and_a_publish_time(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var ids = await pubsub.PublishAsync(new PubsubMessage
        {
            Data = ByteString.CopyFrom(0, 255, 1), OrderingKey = "key", Attributes = { ["origin"] = "test", ["empty"] = "" },
        });
        var message = (await pubsub.PullExactlyAsync(1))[0].Message;
        message.Data.ToByteArray().ShouldBe([0, 255, 1]);
        message.OrderingKey.ShouldBe("key");
        message.Attributes["origin"].ShouldBe("test");
        message.Attributes["empty"].ShouldBe("");
        message.MessageId.ShouldBe(ids.ShouldHaveSingleItem());
        message.PublishTime.ToDateTimeOffset().ShouldBe(DateTimeOffset.UtcNow, TimeSpan.FromMinutes(1));
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task The_server_gives_the_id_and_the_publish_time_whatever_the_publisher_says(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync(new PubsubMessage { Data = Data, MessageId = "mine", PublishTime = new() { Seconds = 1 } });
        var message = (await pubsub.PullExactlyAsync(1))[0].Message;
        message.MessageId.ShouldNotBe("mine");
        message.PublishTime.Seconds.ShouldBeGreaterThan(1);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Ids_are_answered_in_the_order_of_the_messages_and_are_unique(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var ids = await pubsub.PublishAsync(Enumerable.Range(0, 1_000).Select(n => $"{n}"));
        ids.Distinct().Count().ShouldBe(1_000);
        var received = await pubsub.PullExactlyAsync(1_000);
        received.ToDictionary(m => m.Message.MessageId, Text).ShouldBe(ids.Select((id, n) => KeyValuePair.Create(id, $"{n}")), ignoreOrder: true);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_message_has_data_or_an_attribute(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage()))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Attributes = { ["only"] = "this" } }))).ShouldBe(StatusCode.OK);
    });

    [SkippableTheory]
    [OnBoth(References.Limits)]
    public Task A_publish_carries_one_to_a_thousand_messages(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.PublishAsync(Array.Empty<PubsubMessage>()))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.PublishAsync(Enumerable.Repeat("x", 1_001)))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.PublishAsync(Enumerable.Repeat("x", 1_000)))).ShouldBe(StatusCode.OK);
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "A larger one is never answered.")]
    public Task A_message_has_at_most_10_MB(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Data = ByteString.CopyFrom(new byte[11_000_000]) }))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Data = ByteString.CopyFrom(new byte[9_999_000]) }))).ShouldBe(StatusCode.OK);
        (await pubsub.PullExactlyAsync(1))[0].Message.Data.Length.ShouldBe(9_999_000);
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "A larger one is never answered.")]
    public Task A_publish_has_at_most_10_MB(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var half = new PubsubMessage { Data = ByteString.CopyFrom(new byte[6_000_000]) };
        (await StatusOf(() => pubsub.PublishAsync(half, half))).ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "More are accepted.")]
    public Task A_message_has_at_most_a_hundred_attributes(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        foreach (var (count, status) in ((int, StatusCode)[])[(100, StatusCode.OK), (101, StatusCode.InvalidArgument)])
        {
            var message = new PubsubMessage { Data = Data };
            message.Attributes.Add(Enumerable.Range(0, count).ToDictionary(n => $"key{n}", n => $"{n}"));
            (await StatusOf(() => pubsub.PublishAsync(message))).ShouldBe(status, $"{count} attributes");
        }
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "Some longer ones are accepted.")]
    public Task An_attribute_has_a_key_of_256_and_a_value_of_1024_bytes_at_most(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        foreach (var (key, value, status) in ((string, string, StatusCode)[])
            [
                (new('k', 256), new('v', 1_024), StatusCode.OK),
                (new('k', 257), "v", StatusCode.InvalidArgument),
                (new('ü', 129), "v", StatusCode.InvalidArgument),
                ("k", new('v', 1_025), StatusCode.InvalidArgument),
            ])
        {
            var message = new PubsubMessage { Data = Data, Attributes = { [key] = value } };
            (await StatusOf(() => pubsub.PublishAsync(message))).ShouldBe(status, $"{key.Length} and {value.Length}");
        }
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "They are accepted.")]
    public Task Reserved_attribute_keys_are_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Data = Data, Attributes = { ["googx"] = "v" } }))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Data = Data, Attributes = { ["googclient_traceparent"] = "v" } }))).ShouldBe(StatusCode.OK);
    });

    [SkippableTheory]
    [OnBoth(References.Limits, Emulator = "Longer ones are accepted.")]
    public Task An_ordering_key_has_at_most_1024_bytes(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Data = Data, OrderingKey = new('k', 1_025) }))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.PublishAsync(new PubsubMessage { Data = Data, OrderingKey = new('k', 1_024) }))).ShouldBe(StatusCode.OK);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "Keys may be mixed.")]
    public Task The_messages_of_a_publish_have_the_same_ordering_key(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.PublishAsync(
            new PubsubMessage { Data = Data, OrderingKey = "a" }, new PubsubMessage { Data = Data, OrderingKey = "b" }))).ShouldBe(StatusCode.InvalidArgument);
    });
}
