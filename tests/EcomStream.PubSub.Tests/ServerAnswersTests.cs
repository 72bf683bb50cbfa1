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

/// <summary>How the client handles answers that no emulator gives: every status of a stream, keep-alives without an answer, and streams that end.</summary>
public sealed class ServerAnswersTests : ScriptedServerTests
{
    // The first request does not fit into the flow-control window of the stream, so that its write lasts until the server reads
    // it or ends the call.
    private static readonly string LongName = new('s', 2 << 20);

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

    [Theory]
    [InlineData(StatusCode.NotFound, "NOT_FOUND")]
    [InlineData(StatusCode.PermissionDenied, "PERMISSION_DENIED")]
    public async Task A_stream_that_is_refused_before_its_first_request_was_written_fails_with_the_status_of_the_server(StatusCode status, string name)
    {
        await using var server = await ScriptedPubSub.StartAsync(call => call.FailAsync(status, "because of the test"));
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, LongName);
        await using var receiver = new Receiver(subscription);

        var error = await Should.ThrowAsync<SubscriptionFailedException>(receiver.Completion.WaitAsync(TimeSpan.FromSeconds(10)));

        error.Message.ShouldContain(name);
        error.Message.ShouldContain("because of the test");
    }

    [Fact]
    public async Task A_stream_that_is_refused_for_now_before_its_first_request_was_written_is_logged_with_the_status_of_the_server()
    {
        await using var server = await ScriptedPubSub.StartAsync(call => call.FailAsync(StatusCode.Unavailable, "because of the test"));
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, LongName);
        await using var receiver = new Receiver(subscription);

        await Eventually.True(() => server.Calls.Count >= 3, "it is tried again");

        var ended = Log.Lines.Where(line => line.Contains("it is opened again in")).ToList();
        ended.Count.ShouldBeGreaterThan(0);
        ended.ShouldAllBe(line => line.Contains("Unavailable (because of the test)"));
        subscription.Status.StreamsOpened.ShouldBe(0);
    }

    [Fact]
    public async Task A_stream_whose_first_request_cannot_be_written_is_logged_with_the_error_of_the_write_if_the_server_reports_none()
    {
        await using var server = await ScriptedPubSub.StartAsync(call => call.OkAsync());
        using var connection = Connect(server);
        await using var subscription = new PubSubSubscription(connection, LongName);
        await using var receiver = new Receiver(subscription);

        await Eventually.True(() => server.Calls.Count >= 3, "it is tried again");

        var ended = Log.Lines.Where(line => line.Contains("it is opened again in")).ToList();
        ended.Count.ShouldBeGreaterThan(0);
        ended.ShouldAllBe(line => !line.Contains("the server closed it") && line.Contains("the first request could not be written"), string.Join("\n", ended).Replace(LongName, "LONG"));
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

        for (var n = 1; n <= 5; n++)
        {
            await Eventually.True(
                () =>
                {
                    time.Advance(TimeSpan.FromSeconds(1));
                    return Volatile.Read(ref answers) >= n;
                },
                "keep-alives are answered");

            // On a busy machine the answer takes its time to arrive.
            await Task.Delay(100);
        }

        streams.ShouldBe(1);
        subscription.Status.StreamsOpened.ShouldBe(1);
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
    public async Task Quiet_streams_that_the_server_ends_are_opened_again_at_once_and_an_outage_is_logged_at_growing_intervals()
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

        string[] Tries() => [.. Log.Lines.Where(line => line.Contains("it is opened again in"))];
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
        var name = $"unanswered-{answersFirst}-sub";
        using var counts = new MeterCounts(name);
        await using var subscription = new PubSubSubscription(connection, name);
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
            Log.Lines.ShouldContain(line => line.Contains("did not answer a keep-alive"));
            counts["ecomstream.pubsub.streams.unanswered"].ShouldBeGreaterThan(0);
        }
        else
        {
            streams.ShouldBe(1);
            counts["ecomstream.pubsub.streams.unanswered"].ShouldBe(0);
        }
    }
}
