using System.Collections.Concurrent;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Tests;

/// <summary>Leases that end: given up after max-extension, or lost to another client.</summary>
public sealed class LeaseEndTests : ScriptedServerTests
{
    [Fact]
    public async Task A_message_that_nobody_settles_is_named_after_max_extension_and_makes_room_for_the_next_one()
    {
        var (acks, extensions, streams) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>(), 0);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull" when Interlocked.Increment(ref streams) == 1:
                    // The second one is received while the first one takes the only place.
                    await call.ReadAsync<StreamingPullRequest>();
                    await call.WriteAsync(ScriptedCall.Messages(false, "a", "b"));
                    await StreamAsync(call, ScriptedCall.Messages(false), reads: false);
                    break;
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(false));
                    break;
                case "Acknowledge":
                    acks.Enqueue((await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Single());
                    await call.OkAsync(new Empty());
                    break;
                default:
                    foreach (var id in (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds)
                    {
                        extensions.Enqueue(id);
                    }

                    await call.OkAsync(new Empty());
                    break;
            }
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(
            server,
            "ecomstream.pubsub.subscriber { ack-deadline = 10s, max-ack-deadline = 10s, max-extension = 30s, ack-linger = 0s, max-outstanding-messages = 1 }",
            time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "the first one is handed out");
        subscription.Status.OutstandingMessages.ShouldBe(2);

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return subscription.Status.OutstandingMessages == 0;
            },
            "both are given up");

        var line = Log.Lines.Single(line => line.Contains("not settled after max-extension"));
        line.ShouldContain("projects/test/subscriptions/orders_data-sub");
        line.ShouldContain($"message-a (published {Timestamps.Rfc3339(receiver.Deliveries[0].PublishTimeMicros)})");
        extensions.ShouldContain("a");
        receiver.Texts.ShouldBe(["a"], "what waited for its turn is delivered again, not handed out late");

        // It may arrive before the message is delivered again.
        receiver.Deliveries[0].Ack();
        await subscription.FlushAsync(default);
        acks.ShouldBe(["a"]);
        subscription.Status.ShouldSatisfyAllConditions(status => status.OutstandingMessages.ShouldBe(0), status => status.OutstandingBytes.ShouldBe(0));
    }

    [Fact]
    public async Task A_message_whose_lease_is_lost_and_that_nobody_settles_makes_room_after_max_extension_too()
    {
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "lost"));
                return;
            }

            await call.FailAsync(StatusCode.InvalidArgument, ackIds: new Dictionary<string, string> { ["lost"] = "PERMANENT_FAILURE_INVALID_ACK_ID" });
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-deadline = 10s, max-ack-deadline = 10s, max-extension = 30s }", time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "it is handed out");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return subscription.Status.OutstandingMessages == 0;
            },
            "it is given up");

        Log.Lines.ShouldContain(line => line.Contains("are lost"));
    }

    [Fact]
    public async Task A_lease_that_is_lost_is_extended_no_more()
    {
        var extensions = new ConcurrentQueue<string[]>();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "kept", "lost"));
                return;
            }

            var ids = (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds.Order().ToArray();
            extensions.Enqueue(ids);
            await (ids.Contains("lost") && extensions.Count > 1
                ? call.FailAsync(StatusCode.InvalidArgument, "an id is unknown", new Dictionary<string, string> { ["lost"] = "PERMANENT_FAILURE_INVALID_ACK_ID" })
                : call.OkAsync(new Empty()));
        });
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 2, "both arrive");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return extensions.Count >= 4;
            },
            "leases are extended");

        // The receipt, and three extensions.
        extensions.ShouldBe([["kept", "lost"], ["kept", "lost"], ["kept"], ["kept"]]);
        Log.Lines.ShouldContain(line => line.Contains("message-lost") && line.Contains("lost"));
    }
}
