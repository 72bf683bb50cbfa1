using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Tests;

/// <summary>Exactly-once delivery: acks are confirmed or refused, message by message.</summary>
public sealed class ExactlyOnceTests : ScriptedServerTests
{
    private const string InvalidAckId = "PERMANENT_FAILURE_INVALID_ACK_ID";

    [Fact]
    public async Task A_refused_ack_reaches_whoever_acked_and_whoever_listens_to_the_subscription()
    {
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(true, "good", "late"));
                    break;
                case "Acknowledge" when (await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Contains("late"):
                    await call.FailAsync(StatusCode.InvalidArgument, ackIds: new Dictionary<string, string> { ["late"] = InvalidAckId });
                    break;
                default:
                    await call.OkAsync(new Empty());
                    break;
            }
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        var refusals = new ConcurrentQueue<RefusedAcks>();
        subscription.AcksRefused += refusals.Enqueue;
        subscription.AcksRefused += _ => throw new InvalidOperationException("A handler fails.");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 2, "both arrive");

        var results = await Task.WhenAll(receiver.Deliveries.Select(delivery => delivery.AckAsync())).WaitAsync(TimeSpan.FromSeconds(10));

        results.ShouldBe([AckResult.Accepted, AckResult.Refused]);
        await Eventually.True(() => Log.Lines.Any(line => line.Contains("A handler of the refused acks")), "all handlers were called");
        var refused = refusals.ShouldHaveSingleItem();
        refused.Subscription.ShouldBe("orders_data-sub");
        refused.Deliveries.ShouldHaveSingleItem().ShouldBeSameAs(receiver.Deliveries[1]);
        (await receiver.Deliveries[1].AckAsync()).ShouldBe(AckResult.Refused);
        subscription.Status.OutstandingMessages.ShouldBe(0);
    }

    [Fact]
    public async Task An_ack_that_was_not_sent_when_the_subscription_was_closed_and_one_after_a_nack_have_no_result()
    {
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(false, "a", "b"));
                    break;
                case "Acknowledge":
                    await Task.Delay(Timeout.Infinite, call.Aborted);
                    break;
                default:
                    await call.OkAsync(new Empty());
                    break;
            }
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber.close-timeout = 100ms");
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 2, "both arrive");

        receiver.Deliveries[0].Nack();
        Task<AckResult>[] acks = [.. receiver.Deliveries.Select(delivery => delivery.AckAsync())];
        await subscription.DisposeAsync();

        (await Task.WhenAll(acks).WaitAsync(TimeSpan.FromSeconds(10))).ShouldAllBe(result => result == AckResult.Unknown);
    }

    [Fact]
    public async Task With_exactly_once_delivery_acks_that_fail_for_now_are_sent_again_and_those_that_fail_for_good_are_counted_and_named()
    {
        var acked = new ConcurrentQueue<string[]>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(true, "good", "busy", "late"));
                    break;
                case "Acknowledge":
                    var ids = (await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Order().ToArray();
                    acked.Enqueue(ids);
                    if (ids.Length == 3)
                    {
                        await call.FailAsync(StatusCode.FailedPrecondition, "some ids failed", new Dictionary<string, string>
                        {
                            ["late"] = "PERMANENT_FAILURE_INVALID_ACK_ID",
                            ["busy"] = "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE",
                        });
                    }
                    else
                    {
                        await call.OkAsync(new Empty());
                    }

                    break;
                default:
                    await call.OkAsync(new Empty());
                    break;
            }
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber.ack-linger = 200ms");
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        await Eventually.True(() => receiver.Count == 3, "all arrive");

        await subscription.FlushAsync(default);

        acked.ShouldBe([["busy", "good", "late"], ["busy"]]);
        subscription.Status.OutstandingMessages.ShouldBe(0);
        Log.Lines.ShouldContain(line => line.Contains("message-late") && line.Contains("ack of 1 messages"));
        Log.Lines.ShouldNotContain(line => line.Contains("message-good") || line.Contains("message-busy"));
    }

    [Fact]
    public async Task An_ack_that_fails_for_good_after_others_of_its_request_succeeded_counts_alone()
    {
        const string Name = "partly-refused-sub";
        using var counts = new MeterCounts(Name);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "good", "busy", "late"));
                return;
            }

            if (call.Method == "ModifyAckDeadline")
            {
                await call.OkAsync(new Empty());
                return;
            }

            await ((await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Count == 3
                ? call.FailAsync(StatusCode.FailedPrecondition, "some ids failed", new Dictionary<string, string>
                {
                    ["late"] = "PERMANENT_FAILURE_INVALID_ACK_ID",
                    ["busy"] = "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE",
                })
                : call.FailAsync(StatusCode.PermissionDenied));
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber.ack-linger = 200ms");
        await using var subscription = new PubSubSubscription(connection, Name);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        await Eventually.True(() => receiver.Count == 3, "all arrive");

        await subscription.FlushAsync(default);

        counts["ecomstream.pubsub.acked"].ShouldBe(1);
        counts["ecomstream.pubsub.settlements.refused"].ShouldBe(2);
        Log.Lines.Where(line => line.Contains("was refused")).Select(line => line.Contains("message-late") ? "late" : line.Contains("message-busy") ? "busy" : "")
            .ShouldBe(["late", "busy"]);
    }

    [Fact]
    public async Task A_message_whose_ack_is_under_way_has_not_lost_its_lease_when_its_extension_comes_too_late()
    {
        var (extensions, answer) = (0, new TaskCompletionSource());
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(true, "a"));
                    break;
                case "Acknowledge":
                    await answer.Task;
                    await call.OkAsync(new Empty());
                    break;
                default:
                    // The first one is the receipt.
                    await (Volatile.Read(ref extensions) == 0
                        ? call.OkAsync(new Empty())
                        : call.FailAsync(StatusCode.InvalidArgument, "unknown", new Dictionary<string, string> { ["a"] = "PERMANENT_FAILURE_INVALID_ACK_ID" }));
                    Interlocked.Increment(ref extensions);
                    break;
            }
        });
        using var connection = Connect(server, "ecomstream.pubsub.connection.request-timeout = 1h", time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        await Eventually.True(() => receiver.Count == 1, "it arrives");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return Volatile.Read(ref extensions) >= 3;
            },
            "its lease is extended");
        answer.SetResult();
        await subscription.FlushAsync(default);

        Log.Lines.ShouldNotContain(line => line.Contains("are lost") || line.Contains("refused"));
        subscription.Status.OutstandingMessages.ShouldBe(0);
    }

    [Fact]
    public async Task Acks_that_fail_for_now_leave_room_for_the_ack_that_they_wait_for()
    {
        var acked = new ConcurrentDictionary<string, bool>();
        var refused = new ConcurrentDictionary<string, bool>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(true, "1", "2", "3", "4", "5"));
                    break;
                case "Acknowledge":
                    var id = (await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Single();
                    if (id != "1" && !acked.ContainsKey("1"))
                    {
                        refused[id] = true;
                        await call.FailAsync(
                            StatusCode.FailedPrecondition, ackIds: new Dictionary<string, string> { [id] = "TRANSIENT_FAILURE_UNORDERED_ACK_ID" });
                        break;
                    }

                    acked[id] = true;
                    await call.OkAsync(new Empty());
                    break;
                default:
                    await call.OkAsync(new Empty());
                    break;
            }
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-batch-size = 1, ack-parallelism = 4, ack-linger = 0s }");
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 5, "all have come");
        foreach (var delivery in receiver.Deliveries.Skip(1))
        {
            delivery.Ack();
        }

        await Eventually.True(() => refused.Count == 4, "the acks of the later messages have failed for now");
        receiver.Deliveries[0].Ack();

        await subscription.FlushAsync(new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token);
        acked.Keys.Order().ShouldBe(["1", "2", "3", "4", "5"]);
        subscription.Status.OutstandingMessages.ShouldBe(0);
    }
}
