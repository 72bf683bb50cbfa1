using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>StreamingPull: its requests, flow control and what it says of its subscription.</summary>
public sealed class StreamingPullConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_stream_begins_with_its_subscription_and_a_deadline_of_10_to_600_seconds(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        foreach (var (what, settings) in ((string, Action<StreamingPullRequest>)[])
            [
                ("no subscription", r => r.Subscription = ""),
                ("no deadline", r => r.StreamAckDeadlineSeconds = 0),
                ("9 s", r => r.StreamAckDeadlineSeconds = 9),
                ("601 s", r => r.StreamAckDeadlineSeconds = 601),
            ])
        {
            using var stream = await pubsub.StreamAsync(settings);
            (await StatusOf(stream)).ShouldBeOneOf(
                what == "no subscription" ? [StatusCode.InvalidArgument, StatusCode.NotFound] : [StatusCode.InvalidArgument]);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "max_outstanding_messages has no effect.")]
    public Task Outstanding_messages_are_limited_to_those_that_the_stream_allows(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync(Enumerable.Range(0, 25).Select(n => $"{n}"));
        using var stream = await pubsub.StreamAsync(r => r.MaxOutstandingMessages = 10);
        await NothingMoreThan(kind, pubsub, stream, 10);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "max_outstanding_bytes has no effect.")]
    public Task Outstanding_bytes_are_limited_to_those_that_the_stream_allows(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync([.. Enumerable.Range(0, 25).Select(_ => new PubsubMessage { Data = ByteString.CopyFrom(new byte[1_000]) })]);
        using var stream = await pubsub.StreamAsync(r => r.MaxOutstandingBytes = 4_500);
        await NothingMoreThan(kind, pubsub, stream, 5);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "Some are accepted in a later request.")]
    public Task A_later_request_with_fields_of_the_first_request_ends_the_stream(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        foreach (var later in (StreamingPullRequest[])
            [
                new() { Subscription = pubsub.Subscription }, new() { MaxOutstandingMessages = 5 }, new() { MaxOutstandingBytes = 5 }, new() { ProtocolVersion = 1 },
            ])
        {
            using var stream = await pubsub.StreamAsync();
            await stream.RequestStream.WriteAsync(later);
            (await StatusOf(stream, pubsub.Patience)).ShouldBe(StatusCode.InvalidArgument, later.ToString());
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "The stream continues.")]
    public Task Different_numbers_of_ack_ids_and_deadlines_end_the_stream(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        var id = (await pubsub.PullExactlyAsync(1))[0].AckId;
        foreach (var wrong in (StreamingPullRequest[])
            [
                new() { ModifyDeadlineAckIds = { id } },
                new() { ModifyDeadlineAckIds = { id }, ModifyDeadlineSeconds = { -1 } },
                new() { ModifyDeadlineAckIds = { id }, ModifyDeadlineSeconds = { 601 } },
            ])
        {
            using var stream = await pubsub.StreamAsync();
            await stream.RequestStream.WriteAsync(wrong);
            (await StatusOf(stream, pubsub.Patience)).ShouldBe(StatusCode.InvalidArgument, wrong.ToString());
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_malformed_ack_id_ends_the_stream(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        using var stream = await pubsub.StreamAsync();
        await stream.RequestStream.WriteAsync(new StreamingPullRequest { AckIds = { "no such id" } });
        (await StatusOf(stream)).ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_nack_on_the_stream_brings_the_message_again(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        using var stream = await pubsub.StreamAsync();
        var first = (await ReadAsync(stream, 1))[0];
        await stream.RequestStream.WriteAsync(new StreamingPullRequest { ModifyDeadlineAckIds = { first.AckId }, ModifyDeadlineSeconds = { 0 } });
        (await ReadAsync(stream, 1))[0].Message.MessageId.ShouldBe(first.Message.MessageId);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "Keep-alives are not answered.")]
    public Task Keep_alives_of_clients_with_protocol_version_1_are_answered(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        using var stream = await pubsub.StreamAsync(r => r.ProtocolVersion = 1);
        await stream.RequestStream.WriteAsync(new StreamingPullRequest());
        using var deadline = new CancellationTokenSource(pubsub.Patience);
        (await stream.ResponseStream.MoveNext(deadline.Token)).ShouldBeTrue();
        stream.ResponseStream.Current.ReceivedMessages.ShouldBeEmpty();
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_response_says_whether_delivery_is_ordered_and_exactly_once(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => (s.EnableMessageOrdering, s.EnableExactlyOnceDelivery) = (true, true));
        await pubsub.PublishAsync("a");
        using var stream = await pubsub.StreamAsync();
        using var deadline = new CancellationTokenSource(pubsub.Patience);
        (await stream.ResponseStream.MoveNext(deadline.Token)).ShouldBeTrue();
        var properties = stream.ResponseStream.Current.SubscriptionProperties;
        properties.ExactlyOnceDeliveryEnabled.ShouldBeTrue();
        properties.MessageOrderingEnabled.ShouldBeTrue();
    });

    [SkippableTheory]
    [OnBoth(References.Errors)]
    public Task A_stream_of_a_subscription_that_is_deleted_ends_with_NOT_FOUND(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        using var stream = await pubsub.StreamAsync();
        await pubsub.PublishAsync("a");
        await ReadAsync(stream, 1);
        await pubsub.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = pubsub.Subscription });
        (await StatusOf(stream)).ShouldBe(StatusCode.NotFound);
    });

    // What the broker sends beyond the bound would come within the second. The emulator is known to send more, in its own time.
    private static async Task NothingMoreThan(
        ServerKind kind, PubSubUnderTest pubsub, AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> stream, int count)
    {
        var seen = (await ReadAsync(stream, count)).Count;
        seen.ShouldBe(count);
        using var patience = new CancellationTokenSource(kind == ServerKind.Broker ? TimeSpan.FromSeconds(1) : pubsub.Patience);
        (await StatusOf(() => stream.ResponseStream.MoveNext(patience.Token))).ShouldBe(StatusCode.Cancelled);
    }
}
