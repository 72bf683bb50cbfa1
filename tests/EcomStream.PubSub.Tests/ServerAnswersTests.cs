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

/// <summary>What the client makes of answers that no emulator gives: every status of a stream, and acks that are refused one by one.</summary>
public sealed class ServerAnswersTests
{
    private readonly LogLines _log = new();

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.DeadlineExceeded)]
    [InlineData(StatusCode.Internal)]
    [InlineData(StatusCode.Cancelled)]
    [InlineData(StatusCode.ResourceExhausted)]
    [InlineData(StatusCode.Aborted)]
    [InlineData(StatusCode.Unknown)]
    [InlineData(StatusCode.OK)]
    public async Task A_stream_that_ends_with_a_status_that_may_pass_is_opened_again(StatusCode status)
    {
        var streams = 0;
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method != "StreamingPull")
            {
                await call.OkAsync(new Empty());
            }
            else if (Interlocked.Increment(ref streams) <= 2)
            {
                await call.ReadAsync<StreamingPullRequest>();
                await (status == StatusCode.OK ? call.OkAsync() : call.FailAsync(status));
            }
            else
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "a"));
            }
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());

        await Eventually.True(() => receiver.Count == 1, "the third stream brings its message");

        streams.ShouldBe(3);
    }

    [Theory]
    [InlineData(StatusCode.NotFound, "NOT_FOUND")]
    [InlineData(StatusCode.PermissionDenied, "PERMISSION_DENIED")]
    [InlineData(StatusCode.Unauthenticated, "UNAUTHENTICATED")]
    [InlineData(StatusCode.InvalidArgument, "INVALID_ARGUMENT")]
    [InlineData(StatusCode.FailedPrecondition, "FAILED_PRECONDITION")]
    public async Task A_stream_that_ends_with_a_status_that_stays_fails_the_subscription_at_once(StatusCode status, string name)
    {
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            await call.ReadAsync<StreamingPullRequest>();
            await call.FailAsync(status, "because of the test");
        });
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);

        var error = await Should.ThrowAsync<SubscriptionFailedException>(receiver.Completion.WaitAsync(TimeSpan.FromSeconds(10)));

        error.Message.ShouldContain(name);
        error.Message.ShouldContain("because of the test");
        error.Message.ShouldContain("projects/test/subscriptions/orders_data-sub");
        error.Message.ShouldContain(server.Endpoint);
        server.Calls.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Requests_after_the_first_of_a_stream_hold_nothing_that_only_the_first_may()
    {
        var later = new ConcurrentQueue<StreamingPullRequest>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            (await call.ReadAsync<StreamingPullRequest>())!.Subscription.ShouldEndWith("orders_data-sub");
            while (await call.ReadAsync<StreamingPullRequest>() is { } request)
            {
                later.Enqueue(request);
            }

            await call.OkAsync();
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => subscription.Status.IsReading, "the stream is open");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(31));
                return later.Count >= 2;
            },
            "keep-alives are sent");

        later.ShouldAllBe(request => request.CalculateSize() == 0);
    }

    [Fact]
    public async Task An_idle_stream_whose_keep_alives_are_answered_at_once_stays_open()
    {
        var (streams, answers) = (0, 0);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            Interlocked.Increment(ref streams);
            await call.ReadAsync<StreamingPullRequest>();
            await call.WriteAsync(new StreamingPullResponse());
            while (await call.ReadAsync<StreamingPullRequest>() is not null)
            {
                await call.WriteAsync(new StreamingPullResponse());
                Interlocked.Increment(ref answers);
            }

            await call.OkAsync();
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => subscription.Status.IsReading, "the stream is open");

        for (var n = 1; n <= 3; n++)
        {
            await Eventually.True(
                () =>
                {
                    time.Advance(TimeSpan.FromSeconds(15));
                    return Volatile.Read(ref answers) >= 2 * n;
                },
                "keep-alives are answered");
        }

        streams.ShouldBe(1);
        subscription.Status.StreamsOpened.ShouldBe(1);
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
        _log.Lines.ShouldContain(line => line.Contains("message-late") && line.Contains("ack of 1 messages"));
        _log.Lines.ShouldNotContain(line => line.Contains("message-good") || line.Contains("message-busy"));
    }

    [Fact]
    public async Task A_flush_that_is_asked_for_while_acks_wait_for_their_turn_waits_for_the_acks_before_it()
    {
        var answers = new ConcurrentDictionary<string, TaskCompletionSource>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "a", "b", "c"));
                return;
            }

            var id = (await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Single();
            await answers.GetOrAdd(id, _ => new TaskCompletionSource()).Task;
            await call.OkAsync(new Empty());
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-parallelism = 1, ack-linger = 0s, close-timeout = 100ms }");
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 3, "all arrive");

        receiver.Deliveries[0].Ack();
        await Eventually.True(() => answers.ContainsKey("a"), "the first ack is under way");
        receiver.Deliveries[1].Ack();

        // Nothing tells that the second ack waits for its turn; where it does not yet, the test proves nothing and passes.
        await Task.Delay(100);
        receiver.Deliveries[2].Ack();
        var flushed = subscription.FlushAsync(default);
        answers["a"].SetResult();
        answers.GetOrAdd("b", _ => new TaskCompletionSource()).SetResult();
        await Eventually.True(() => answers.ContainsKey("c"), "the last ack is under way");
        flushed.IsCompleted.ShouldBeFalse();

        answers["c"].SetResult();
        await flushed.WaitAsync(TimeSpan.FromSeconds(10));
    }

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

            var all = extensions.ToArray();
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
            await (ids.Contains("lost")
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
                return extensions.Count >= 3;
            },
            "leases are extended");

        extensions.ShouldBe([["kept", "lost"], ["kept"], ["kept"]]);
        _log.Lines.ShouldContain(line => line.Contains("message-lost") && line.Contains("lost"));
    }

    [Fact]
    public async Task An_ack_that_fails_for_good_after_others_of_its_request_succeeded_counts_alone()
    {
        const string Name = "partly-refused-sub";
        var counts = new ConcurrentDictionary<string, long>();
        using var meters = new MeterListener { InstrumentPublished = (instrument, listener) => listener.EnableMeasurementEvents(instrument) };
        meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            if (tags.ToArray().Any(tag => Name.Equals(tag.Value)))
            {
                counts.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value);
            }
        });
        meters.Start();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(true, "good", "busy", "late"));
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
        _log.Lines.Where(line => line.Contains("was refused")).Select(line => line.Contains("message-late") ? "late" : line.Contains("message-busy") ? "busy" : "")
            .ShouldBe(["late", "busy"]);
    }

    [Fact]
    public async Task An_error_that_no_one_expects_stops_neither_the_acks_nor_the_extensions_after_it()
    {
        // The first ack and the first extension fail, and what they log does, too.
        _log.FailsAt = LogLevel.Warning;
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
    public async Task Extensions_that_fail_say_so_once_and_then_ever_more_seldom()
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

        _log.Lines.Count(line => line.Contains("Extending the leases of 1 messages")).ShouldBeLessThanOrEqualTo(2);
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
                    await call.FailAsync(StatusCode.InvalidArgument, "unknown", new Dictionary<string, string> { ["a"] = "PERMANENT_FAILURE_INVALID_ACK_ID" });
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
                return Volatile.Read(ref extensions) >= 2;
            },
            "its lease is extended");
        answer.SetResult();
        await subscription.FlushAsync(default);

        _log.Lines.ShouldNotContain(line => line.Contains("are lost") || line.Contains("refused"));
        subscription.Status.OutstandingMessages.ShouldBe(0);
    }

    [Fact]
    public async Task After_max_extension_a_message_is_extended_no_more_and_stays_outstanding_until_it_is_settled()
    {
        var (extensions, acks) = (0, 0);
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "a"));
                return;
            }

            Interlocked.Increment(ref call.Method == "Acknowledge" ? ref acks : ref extensions);
            await call.OkAsync(new Empty());
        });
        using var connection = Connect(server, "ecomstream.pubsub.subscriber { ack-deadline = 10s, max-ack-deadline = 10s, max-extension = 30s, ack-linger = 0s }", time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "it arrives");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return _log.Lines.Any(line => line.Contains("not settled after max-extension"));
            },
            "it is given up");
        var before = Volatile.Read(ref extensions);
        before.ShouldBeGreaterThan(0);
        time.Advance(TimeSpan.FromSeconds(60));
        subscription.Status.OutstandingMessages.ShouldBe(1);

        receiver.Deliveries[0].Ack();
        await subscription.FlushAsync(default);
        acks.ShouldBe(1);
        extensions.ShouldBe(before);
        subscription.Status.OutstandingMessages.ShouldBe(0);
    }

    [Fact]
    public async Task A_stream_that_is_opened_while_nearly_everything_is_held_gives_nothing_back_and_hands_on_no_more_than_the_bound()
    {
        const int Bound = 10;
        var (streams, nacked, extended) = (0, new ConcurrentQueue<string>(), new ConcurrentDictionary<string, bool>());
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "Acknowledge")
            {
                await call.OkAsync(new Empty());
            }
            else if (call.Method == "ModifyAckDeadline")
            {
                var request = (await call.ReadAsync<ModifyAckDeadlineRequest>())!;
                foreach (var id in request.AckIds)
                {
                    if (request.AckDeadlineSeconds == 0)
                    {
                        nacked.Enqueue(id);
                    }
                    else
                    {
                        extended[id] = true;
                    }
                }

                await call.OkAsync(new Empty());
            }
            else if (Interlocked.Increment(ref streams) is var stream && stream == 1)
            {
                await call.ReadAsync<StreamingPullRequest>();
                await call.WriteAsync(ScriptedCall.Messages(false, [.. Enumerable.Range(0, Bound - 1).Select(n => $"first {n}")]));
                await call.OkAsync();
            }
            else
            {
                await call.ReadAsync<StreamingPullRequest>();

                // The second one stalls; whether one more is opened once there is room, depends on how the clock's steps fall.
                foreach (var half in Enumerable.Range(0, stream == 2 ? Bound : 0).Select(n => $"second {n}").Chunk(Bound / 2))
                {
                    await call.WriteAsync(ScriptedCall.Messages(false, half));
                }

                while (await call.ReadAsync<StreamingPullRequest>() is not null)
                {
                    // Keep-alives.
                }

                await call.OkAsync();
            }
        });
        using var connection = Connect(server, $"ecomstream.pubsub.subscriber {{ max-outstanding-messages = {Bound}, ack-deadline = 10s, ack-linger = 0s }}", time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return extended.Count == (2 * Bound) - 1;
            },
            "all are leased");
        for (var seconds = 0; seconds < 30; seconds++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
        }

        nacked.ShouldBeEmpty();
        streams.ShouldBe(2);
        receiver.Count.ShouldBe(Bound);

        foreach (var delivery in receiver.Deliveries)
        {
            delivery.Ack();
        }

        await Eventually.True(() => receiver.Count == (2 * Bound) - 1, "the rest is handed on");
        receiver.Texts.Distinct().Count().ShouldBe((2 * Bound) - 1);
    }

    [Fact]
    public async Task Quiet_streams_that_the_server_ends_every_now_and_then_are_opened_again_at_once_and_an_outage_is_told_ever_more_seldom()
    {
        var (streams, isOut) = (0, false);
        var ends = new SemaphoreSlim(0);
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            await call.ReadAsync<StreamingPullRequest>();
            Interlocked.Increment(ref streams);
            if (!Volatile.Read(ref isOut))
            {
                await ends.WaitAsync(call.Aborted);
            }

            await call.FailAsync(StatusCode.Unavailable);
        });
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);

        for (var opened = 1; opened <= 20; opened++)
        {
            await OpenAsync(opened);
            time.Advance(TimeSpan.FromSeconds(1));
            ends.Release();
            await Eventually.True(() => Tries().Length == opened, "it has ended");
        }

        Tries().ShouldAllBe(line => line.EndsWith("try 1", StringComparison.Ordinal));

        await OpenAsync(21);
        Volatile.Write(ref isOut, true);
        ends.Release();
        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromMilliseconds(100));
                return Volatile.Read(ref streams) >= 40;
            },
            "it is tried again and again");
        Tries().Length.ShouldBeLessThanOrEqualTo(20 + 4, "tries 1, 2, 10 and 20");

        Task OpenAsync(int count) => Eventually.True(
            () =>
            {
                if (Volatile.Read(ref streams) < count)
                {
                    time.Advance(TimeSpan.FromMilliseconds(50));
                }

                return subscription.Status.IsReading && Volatile.Read(ref streams) == count;
            },
            "it is open");

        string[] Tries() => [.. _log.Lines.Where(line => line.Contains("it is opened again in"))];
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stream_whose_server_stops_answering_keep_alives_is_restarted_but_not_one_whose_server_never_does(bool answersFirst)
    {
        var (streams, keepAlives) = (0, 0);
        long version = -1;
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            Interlocked.Increment(ref streams);
            version = (await call.ReadAsync<StreamingPullRequest>())!.ProtocolVersion;
            while (await call.ReadAsync<StreamingPullRequest>() is not null)
            {
                if (Interlocked.Increment(ref keepAlives) == 1 && answersFirst)
                {
                    await call.WriteAsync(new StreamingPullResponse());
                }
            }

            await call.OkAsync();
        });
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, time: time);
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => subscription.Status.IsReading, "the stream is open");

        await Eventually.True(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return answersFirst ? Volatile.Read(ref streams) >= 2 : Volatile.Read(ref keepAlives) >= 4;
            },
            "it is restarted, or goes on");

        version.ShouldBe(1);
        if (answersFirst)
        {
            _log.Lines.ShouldContain(line => line.Contains("did not answer a keep-alive"));
        }
        else
        {
            streams.ShouldBe(1);
        }
    }

    private static async Task StreamAsync(ScriptedCall call, StreamingPullResponse response)
    {
        await call.ReadAsync<StreamingPullRequest>();
        await call.WriteAsync(response);
        while (await call.ReadAsync<StreamingPullRequest>() is not null)
        {
            // Keep-alives.
        }

        await call.OkAsync();
    }

    private PubSubConnection Connect(ScriptedPubSub server, string hocon = "", TimeProvider? time = null) => PubSubConnection.Create(
        TestSettings.Of(server.Endpoint, hocon: hocon), LoggerFactory.Create(logging => logging.AddProvider(_log)), time);
}
