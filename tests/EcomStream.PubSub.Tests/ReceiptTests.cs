using System.Collections.Concurrent;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Tests;

/// <summary>Exactly-once delivery: messages are handed out when the server has confirmed their receipt.</summary>
public sealed class ReceiptTests : ScriptedServerTests
{
    private const string InvalidAckId = "PERMANENT_FAILURE_INVALID_ACK_ID";

    [Fact]
    public async Task Messages_are_handed_out_when_the_server_has_confirmed_their_receipt_and_not_before()
    {
        var confirmed = new TaskCompletionSource();
        var receipts = new ConcurrentQueue<ModifyAckDeadlineRequest>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "a", "b"));
                return;
            }

            receipts.Enqueue((await call.ReadAsync<ModifyAckDeadlineRequest>())!);
            await confirmed.Task;
            await call.OkAsync(new Empty());
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => !receipts.IsEmpty, "the receipt is sent");

        await Task.Delay(100);
        receiver.Count.ShouldBe(0);
        confirmed.SetResult();
        await Eventually.True(() => receiver.Count == 2, "they are handed out");

        receipts.ShouldHaveSingleItem().AckIds.ShouldBe(["a", "b"]);
        receipts.Single().AckDeadlineSeconds.ShouldBe(60);
    }

    [Fact]
    public async Task Messages_whose_receipt_is_refused_are_dropped_counted_and_named()
    {
        const string Name = "refused-receipts-sub";
        using var counts = new MeterCounts(Name);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "good", "late"));
                return;
            }

            var ids = (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds;
            await (ids.Contains("late")
                ? call.FailAsync(StatusCode.InvalidArgument, ackIds: new Dictionary<string, string> { ["late"] = InvalidAckId })
                : call.OkAsync(new Empty()));
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, Name);
        await using var receiver = new Receiver(subscription);

        await Eventually.True(() => receiver.Count == 1, "the other one is handed out");

        receiver.Texts.ShouldBe(["good"]);
        subscription.Status.OutstandingMessages.ShouldBe(1);
        counts["ecomstream.pubsub.receipts.refused"].ShouldBe(1);
        Log.Lines.ShouldContain(line => line.Contains("receipts of 1 messages") && line.Contains("message-late"));
    }

    [Fact]
    public async Task A_receipt_that_fails_for_now_is_sent_again_and_holds_up_the_messages_behind_it()
    {
        var tries = 0;
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                // Only the first response of a stream says that the subscription delivers exactly once.
                await call.ReadAsync<StreamingPullRequest>();
                await call.WriteAsync(ScriptedCall.Messages(true, "1", "2"));
                var next = ScriptedCall.Messages(true, "3");
                next.SubscriptionProperties = null;
                await StreamAsync(call, next, reads: false);
                return;
            }

            var ids = (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds;
            await (ids.Contains("1") && Interlocked.Increment(ref tries) <= 3
                ? tries == 1
                    ? call.FailAsync(StatusCode.Unavailable)
                    : call.FailAsync(StatusCode.FailedPrecondition, ackIds: new Dictionary<string, string> { ["1"] = "TRANSIENT_FAILURE_INTERNAL" })
                : call.OkAsync(new Empty()));
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);

        await Eventually.True(() => receiver.Count == 3, "all are handed out");

        receiver.Texts.ShouldBe(["1", "2", "3"]);
        tries.ShouldBe(4);
    }

    [Fact]
    public async Task Messages_whose_receipt_is_not_confirmed_before_their_lease_ends_are_given_back()
    {
        const string Name = "unconfirmed-receipts-sub";
        using var counts = new MeterCounts(Name);
        var nacked = new ConcurrentQueue<string>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "a"));
                return;
            }

            var request = (await call.ReadAsync<ModifyAckDeadlineRequest>())!;
            if (request.AckDeadlineSeconds == 0)
            {
                nacked.Enqueue(request.AckIds.Single());
                await call.OkAsync(new Empty());
            }
            else
            {
                await call.FailAsync(StatusCode.Unavailable);
            }
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-deadline = 10s, ack-linger = 0s }", time);
        await using var subscription = new PubSubSubscription(connection, Name);
        await using var receiver = new Receiver(subscription);

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromMilliseconds(500));
                return !nacked.IsEmpty;
            },
            "it is given back");

        await Eventually.True(() => subscription.Status.OutstandingMessages == 0, "it is not outstanding");
        receiver.Count.ShouldBe(0);
        counts["ecomstream.pubsub.receipts.refused"].ShouldBe(1);
    }

    [Fact]
    public async Task What_is_not_confirmed_when_the_reading_stops_is_given_back()
    {
        var (isPending, nacked) = (false, new ConcurrentQueue<string>());
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "a"));
                return;
            }

            var request = (await call.ReadAsync<ModifyAckDeadlineRequest>())!;
            if (request.AckDeadlineSeconds == 0)
            {
                nacked.Enqueue(request.AckIds.Single());
                await call.OkAsync(new Empty());
            }
            else
            {
                Volatile.Write(ref isPending, true);
                await Task.Delay(Timeout.Infinite, call.Aborted);
            }
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => Volatile.Read(ref isPending), "the receipt is on its way");

        await receiver.StopAsync();

        await Eventually.True(() => !nacked.IsEmpty, "it is given back");
        receiver.Count.ShouldBe(0);
        await Eventually.True(() => subscription.Status.OutstandingMessages == 0, "nothing is outstanding");
    }
}
