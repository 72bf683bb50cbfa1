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

/// <summary>How leases are extended, and what happens to those that end.</summary>
public sealed class LeaseTests : ScriptedServerTests
{
    [Theory]
    [InlineData(false, 10)]
    [InlineData(true, 60)]
    public async Task Leases_are_extended_by_their_age_and_with_exactly_once_delivery_by_a_minute_at_least(bool exactlyOnce, int first)
    {
        var extensions = new ConcurrentQueue<(int Seconds, double After, int Count)>();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var start = time.GetTimestamp();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(exactlyOnce, "a", "b"));
                return;
            }

            var request = (await call.ReadAsync<ModifyAckDeadlineRequest>())!;
            extensions.Enqueue((request.AckDeadlineSeconds, time.GetElapsedTime(start).TotalSeconds, request.AckIds.Count));
            await call.OkAsync(new Empty());
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-deadline = 10s, max-ack-deadline = 120s, max-extension = 1h }", time);
        await using (var subscription = new PubSubSubscription(connection, "orders_data-sub"))
        {
            await using var receiver = new Receiver(subscription);
            await Eventually.True(() => receiver.Count == 2, "both arrive");

            // Nothing is settled, for as long as it takes.
            while (!extensions.Any(extension => extension.Seconds >= 120) && time.GetElapsedTime(start) < TimeSpan.FromMinutes(50))
            {
                time.Advance(TimeSpan.FromSeconds(1));
                await Task.Delay(10);
            }

            // The first request with exactly-once delivery is the receipt.
            var all = extensions.Skip(exactlyOnce ? 1 : 0).ToArray();
            all[0].Seconds.ShouldBe(first);
            all[0].After.ShouldBeGreaterThan(10.0 / 3);
            all[^1].Seconds.ShouldBe(120, string.Join(" ", all));
            all.Select(extension => extension.Seconds).ShouldBeInOrder();
            all.ShouldAllBe(extension => extension.Count == 2);
            foreach (var (before, after) in all.Zip(all.Skip(1)))
            {
                (after.After - before.After).ShouldBeGreaterThan(before.Seconds / 4.0, "no more often than it takes");
            }
        }
    }

    [Fact]
    public async Task An_extension_that_hangs_is_given_up_in_time_for_another_before_the_lease_ends()
    {
        var (received, extensions) = (new Stopwatch(), new ConcurrentQueue<TimeSpan>());
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                received.Start();
                await StreamAsync(call, ScriptedCall.Messages(false, "a"));
                return;
            }

            extensions.Enqueue(received.Elapsed);
            if (extensions.Count == 1)
            {
                await Task.Delay(Timeout.Infinite, call.Aborted);
            }

            await call.OkAsync(new Empty());
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber.ack-deadline = 10s");
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);

        await Eventually.True(() => extensions.Count >= 2, "it is tried again");

        extensions.ElementAt(1).ShouldBeLessThan(TimeSpan.FromSeconds(9));
    }

    [Fact]
    public async Task Extensions_that_fail_are_logged_once_and_then_at_growing_intervals()
    {
        var extensions = 0;
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "a"));
                return;
            }

            if ((await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckDeadlineSeconds == 0)
            {
                await call.OkAsync(new Empty());
                return;
            }

            Interlocked.Increment(ref extensions);
            await call.FailAsync(StatusCode.Unavailable);
        });
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "it arrives");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return Volatile.Read(ref extensions) >= 15;
            },
            "extensions are tried again");

        Log.Lines.Count(line => line.Contains("Extending the leases of 1 messages")).ShouldBeLessThanOrEqualTo(2);
    }

    [Fact]
    public async Task A_message_whose_extension_fails_is_tried_again_alone()
    {
        var extensions = new ConcurrentQueue<string>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "a", "b", "busy"));
                return;
            }

            var ids = (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds;
            extensions.Enqueue(string.Join(" ", ids));
            await (extensions.Count <= 3
                ? call.FailAsync(StatusCode.Unavailable, ackIds: new Dictionary<string, string> { ["busy"] = "TRANSIENT_FAILURE_INTERNAL" })
                : call.OkAsync(new Empty()));
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 3, "all arrive");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return extensions.Count >= 5;
            },
            "leases are extended");

        extensions.Take(5).ShouldBe(["a b busy", "busy", "busy", "busy", "a b busy"]);
    }

    [Fact]
    public async Task A_request_of_extensions_that_fails_is_tried_again_without_those_that_succeeded()
    {
        // Of ids so long, four fit into a request.
        string[] ids = [.. Enumerable.Range(0, 8).Select(n => $"{n}{new string('x', 110_000)}")];
        var extensions = new ConcurrentQueue<string>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, ids));
                return;
            }

            var request = string.Concat((await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds.Select(id => id[0]));
            extensions.Enqueue(request);
            await (request == "4567" && extensions.Count(r => r == request) == 1 ? call.FailAsync(StatusCode.Unavailable) : call.OkAsync(new Empty()));
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 8, "all arrive");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return extensions.Count >= 3;
            },
            "leases are extended");

        extensions.Take(2).Order().ShouldBe(["0123", "4567"]);
        extensions.ElementAt(2).ShouldBe("4567");
    }

    [Fact]
    public async Task The_lease_of_a_response_that_waited_for_room_is_extended_as_of_its_arrival()
    {
        var (start, extended) = (0L, new ConcurrentDictionary<string, double>());
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await call.ReadAsync<StreamingPullRequest>();
                    await call.WriteAsync(ScriptedCall.Messages(false, "a"));
                    await StreamAsync(call, ScriptedCall.Messages(false, "b"), reads: false);
                    break;
                case "ModifyAckDeadline":
                    foreach (var id in (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds)
                    {
                        extended.TryAdd(id, time.GetElapsedTime(start).TotalSeconds);
                    }

                    await call.OkAsync(new Empty());
                    break;
                default:
                    await call.OkAsync(new Empty());
                    break;
            }
        });
        start = time.GetTimestamp();
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { max-outstanding-messages = 1, ack-linger = 0s }", time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "the first one is handed out");

        // The second response lies in the connection; ack-deadline is 60 s, and a third of it is 20 s.
        await Task.Delay(100);
        time.Advance(TimeSpan.FromSeconds(25));
        receiver.Deliveries[0].Ack();
        await Eventually.True(() => receiver.Count == 2, "the second one is handed out");
        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return extended.ContainsKey("b");
            },
            "its lease is extended");

        extended["b"].ShouldBeLessThan(40);
    }

    [Fact]
    public async Task An_error_that_no_one_expects_stops_neither_the_acks_nor_the_extensions_after_it()
    {
        // The first ack and the first extension fail, and what they log does, too.
        Log.FailsAt = LogLevel.Warning;
        var (acks, extensions) = (new ConcurrentQueue<string>(), 0);
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "StreamingPull":
                    await StreamAsync(call, ScriptedCall.Messages(false, "a", "b"));
                    break;
                case "Acknowledge":
                    acks.Enqueue((await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Single());
                    await (acks.Count == 1 ? call.FailAsync(StatusCode.Unavailable) : call.OkAsync(new Empty()));
                    break;
                default:
                    await (Interlocked.Increment(ref extensions) == 1 ? call.FailAsync(StatusCode.Unavailable) : call.OkAsync(new Empty()));
                    break;
            }
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-parallelism = 1, ack-linger = 0s }", time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 2, "both arrive");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                return Volatile.Read(ref extensions) >= 2;
            },
            "leases are extended again");
        receiver.Deliveries[0].Ack();
        await subscription.FlushAsync(default).WaitAsync(TimeSpan.FromSeconds(10));
        receiver.Deliveries[1].Ack();
        await subscription.FlushAsync(default).WaitAsync(TimeSpan.FromSeconds(10));

        acks.ShouldBe(["a", "b"]);
        subscription.Status.OutstandingMessages.ShouldBe(0);
    }
}
