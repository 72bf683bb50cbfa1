using Google.Cloud.PubSub.V1;
using Google.Rpc;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Exactly-once delivery: acks that are confirmed, and nothing delivered again before its deadline.</summary>
public sealed class ExactlyOnceConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.ExactlyOnce)]
    public Task An_ack_before_the_deadline_succeeds_and_the_message_is_not_redelivered(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => (s.EnableExactlyOnceDelivery, s.AckDeadlineSeconds) = (true, 10));
        await pubsub.PublishAsync("a");
        await pubsub.AckAsync(await pubsub.PullExactlyAsync(1));
        await pubsub.NothingComesAsync(TimeSpan.FromSeconds(13));
    });

    [SkippableTheory]
    [OnBoth(References.ExactlyOnce, Emulator = "A late ack succeeds.")]
    public Task An_ack_after_the_deadline_fails_and_the_message_is_redelivered(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => (s.EnableExactlyOnceDelivery, s.AckDeadlineSeconds) = (true, 10));
        await pubsub.PublishAsync("a");
        var late = await pubsub.PullExactlyAsync(1);
        await pubsub.PassAsync(TimeSpan.FromSeconds(13));
        var failure = await Should.ThrowAsync<RpcException>(() => pubsub.AckAsync(late));
        failure.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Metadata[late[0].AckId].ShouldBe("PERMANENT_FAILURE_INVALID_ACK_ID");
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["a"]);
    });

    [SkippableTheory]
    [OnBoth(References.ExactlyOnce)]
    public Task An_id_of_an_earlier_delivery_neither_acks_nor_extends(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.EnableExactlyOnceDelivery = true);
        await pubsub.PublishAsync("a");
        var first = await pubsub.PullExactlyAsync(1);
        await pubsub.NackAsync(first);
        var second = await pubsub.PullExactlyAsync(1);
        second[0].AckId.ShouldNotBe(first[0].AckId);
        await Should.ThrowAsync<RpcException>(() => pubsub.AckAsync(first));
        await Should.ThrowAsync<RpcException>(() => pubsub.ModifyAsync(first, 20));
        await pubsub.AckAsync(second);
    });

    [SkippableTheory]
    [OnBoth(References.ExactlyOnce)]
    public Task Of_a_request_with_good_and_bad_ids_the_good_ones_succeed(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.EnableExactlyOnceDelivery = true);
        await pubsub.PublishAsync("a", "b");
        var received = await pubsub.PullExactlyAsync(2);
        await pubsub.NackAsync(received[0]);
        var failure = await Should.ThrowAsync<RpcException>(() => pubsub.AckAsync(received));
        failure.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Metadata.Keys.ShouldBe([received[0].AckId]);
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe([Text(received[0])]);
        await pubsub.NothingComesAsync(TimeSpan.FromSeconds(1));
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_stream_confirms_acks_and_extensions(ServerKind kind) => On(kind, async pubsub =>
    {
        var (received, confirmed) = await SettleOnStreamAsync(kind, pubsub);

        // On a busy machine the emulator sometimes confirms an empty list.
        for (var attempt = 1; kind == ServerKind.Emulator && confirmed.AcknowledgeConfirmation.CalculateSize() == 0 && attempt < 5; attempt++)
        {
            await using var another = await PubSubUnderTest.StartAsync(kind);
            (received, confirmed) = await SettleOnStreamAsync(kind, another);
        }

        confirmed.AcknowledgeConfirmation.AckIds.ShouldBe([received[0].AckId]);
        confirmed.AcknowledgeConfirmation.InvalidAckIds.ShouldBe([received[1].AckId]);
        if (kind == ServerKind.Broker)
        {
            confirmed.ModifyAckDeadlineConfirmation.AckIds.ShouldBe([received[2].AckId]);
            confirmed.ModifyAckDeadlineConfirmation.InvalidAckIds.ShouldBe([received[1].AckId]);
        }
    });

    [SkippableTheory]
    [OnBoth(References.ExactlyOnce)]
    public Task With_ordering_an_ack_before_its_turn_fails_for_now(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => (s.EnableExactlyOnceDelivery, s.EnableMessageOrdering) = (true, true));
        await pubsub.PublishAsync([.. "12".Select(c => new PubsubMessage { OrderingKey = "k", Data = Google.Protobuf.ByteString.CopyFromUtf8($"{c}") })]);
        var received = await pubsub.PullExactlyAsync(2);
        var failure = await Should.ThrowAsync<RpcException>(() => pubsub.AckAsync(received[1]));
        failure.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Metadata[received[1].AckId].ShouldBe("TRANSIENT_FAILURE_UNORDERED_ACK_ID");
        await pubsub.AckAsync(received[0]);
        await pubsub.AckAsync(received[1]);
    });

    // Acks one of three messages, extends another, and does both with the lost lease of the third.
    private static async Task<(IReadOnlyList<ReceivedMessage> Received, StreamingPullResponse Confirmed)> SettleOnStreamAsync(
        ServerKind kind, PubSubUnderTest pubsub)
    {
        await pubsub.MakeAsync(s => s.EnableExactlyOnceDelivery = true);
        await pubsub.PublishAsync("a", "b", "c");
        var received = await pubsub.PullExactlyAsync(3);
        await pubsub.NackAsync(received[1]);
        using var stream = await pubsub.StreamAsync();
        await stream.RequestStream.WriteAsync(new StreamingPullRequest
        {
            AckIds = { received[0].AckId, received[1].AckId },
            ModifyDeadlineAckIds = { received[2].AckId, received[1].AckId },
            ModifyDeadlineSeconds = { 20, 20 },
        });
        using var deadline = new CancellationTokenSource(pubsub.Patience);
        StreamingPullResponse all = new();

        // A server may confirm the ids of one request in several responses. The emulator does not confirm every extension.
        while (all.AcknowledgeConfirmation is not { } acks
            || (acks.AckIds.Count + acks.InvalidAckIds.Count < 2 && !(kind == ServerKind.Emulator && acks.CalculateSize() == 0))
            || (kind == ServerKind.Broker && (all.ModifyAckDeadlineConfirmation is not { } extensions || extensions.AckIds.Count + extensions.InvalidAckIds.Count < 2)))
        {
            (await stream.ResponseStream.MoveNext(deadline.Token)).ShouldBeTrue();
            all.MergeFrom(stream.ResponseStream.Current);
        }

        return (received, all);
    }
}
