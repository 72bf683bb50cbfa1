using System.Collections.Concurrent;
using System.Text;
using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Tests;

/// <summary>What goes to the server, in which requests, and what becomes of each message.</summary>
public sealed class BatchingPublisherTests
{
    private readonly ConcurrentQueue<(string[] Texts, bool Compressed)> _requests = new();

    [Fact]
    public async Task A_batch_goes_when_it_is_full_and_the_rest_after_the_delay_and_each_message_gets_its_id()
    {
        await using var server = await StartAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, "batch-messages = 3, batch-delay = 100ms", time);
        await using var publisher = new BatchingPublisher(connection, "orders_data");

        var ids = await EnqueueAsync(publisher, "a", "b", "c", "d");
        (await Task.WhenAll(ids[..3])).ShouldBe(["id a", "id b", "id c"]);
        ids[3].IsCompleted.ShouldBeFalse();
        publisher.Outstanding.Messages.ShouldBe(1);

        time.Advance(TimeSpan.FromMilliseconds(101));

        (await ids[3].WaitAsync(TimeSpan.FromSeconds(10))).ShouldBe("id d");
        _requests.Select(request => string.Concat(request.Texts)).ShouldBe(["abc", "d"]);
        publisher.Outstanding.ShouldBe((0, 0L));
    }

    [Fact]
    public async Task A_batch_goes_before_it_would_exceed_its_bytes()
    {
        await using var server = await StartAsync();
        using var connection = Connect(server, "batch-bytes = 1000, batch-delay = 1s", new FakeTimeProvider(DateTimeOffset.UtcNow));
        await using var publisher = new BatchingPublisher(connection, "orders_data");

        await EnqueueAsync(publisher, [.. Enumerable.Range(0, 5).Select(n => new string((char)('a' + n), 400))]);
        await publisher.FlushAsync(default);

        _requests.Select(request => request.Texts.Length).Order().ShouldBe([1, 2, 2]);
    }

    [Fact]
    public async Task Whoever_publishes_more_than_the_bound_waits_until_the_server_has_answered()
    {
        var open = new TaskCompletionSource();
        await using var server = await StartAsync(_ => open.Task);
        using var connection = Connect(server, "max-outstanding-messages = 2, batch-delay = 0s");
        await using var publisher = new BatchingPublisher(connection, "orders_data");
        await EnqueueAsync(publisher, "a", "b");

        var third = publisher.EnqueueAsync(Message("c"), default).AsTask();
        await Task.Delay(200);
        third.IsCompleted.ShouldBeFalse();
        using var impatience = new CancellationTokenSource(50);
        await Should.ThrowAsync<OperationCanceledException>(async () => await publisher.EnqueueAsync(Message("d"), impatience.Token));
        open.SetResult();

        (await await third.WaitAsync(TimeSpan.FromSeconds(10))).ShouldBe("id c");
    }

    [Fact]
    public async Task Whoever_waits_for_room_first_is_taken_first_and_one_who_gives_up_lets_the_next_in()
    {
        var open = new TaskCompletionSource();
        await using var server = await StartAsync(_ => open.Task);
        using var connection = Connect(server, "max-outstanding-messages = 1, batch-messages = 1");
        await using var publisher = new BatchingPublisher(connection, "orders_data");
        await EnqueueAsync(publisher, "first");
        using var impatience = new CancellationTokenSource();

        var impatient = publisher.EnqueueAsync(Message("impatient", "key"), impatience.Token).AsTask();
        var waiting = Enumerable.Range(0, 50).Select(n => publisher.EnqueueAsync(Message($"{n}", "key"), default).AsTask()).ToArray();
        await impatience.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(impatient);
        open.SetResult();

        await Task.WhenAll(await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(20)));
        _requests.SelectMany(request => request.Texts).ShouldBe(["first", .. Enumerable.Range(0, 50).Select(n => $"{n}")]);
    }

    [Fact]
    public async Task An_error_that_no_one_expects_fails_the_batch_and_leaves_its_room()
    {
        await using var server = await StartAsync();
        var connection = Connect(server, "batch-messages = 1");
        await using var publisher = new BatchingPublisher(connection, "orders_data");
        connection.Dispose();

        var failed = await EnqueueAsync(publisher, "a", "b");

        foreach (var id in failed)
        {
            (await Should.ThrowAsync<PublishFailedException>(id.WaitAsync(TimeSpan.FromSeconds(10)))).Message.ShouldContain("orders_data");
        }

        publisher.Outstanding.ShouldBe((0, 0L));
        await publisher.FlushAsync(default).WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Whoever_waits_for_room_is_told_when_the_publisher_is_disposed()
    {
        var open = new TaskCompletionSource();
        await using var server = await StartAsync(_ => open.Task);
        using var connection = Connect(server, "max-outstanding-messages = 1, batch-messages = 1");
        var publisher = new BatchingPublisher(connection, "orders_data");
        await EnqueueAsync(publisher, "a");
        var waiting = publisher.EnqueueAsync(Message("b"), default).AsTask();

        var disposed = publisher.DisposeAsync().AsTask();

        await Should.ThrowAsync<ObjectDisposedException>(waiting.WaitAsync(TimeSpan.FromSeconds(10)));
        open.SetResult();
        await disposed;
    }

    [Fact]
    public async Task Messages_of_one_key_go_one_batch_after_the_other_however_long_each_takes()
    {
        var underWay = new int[3];
        var overlaps = 0;
        await using var server = await StartAsync(async texts =>
        {
            var key = int.Parse(texts[0]) % 3;
            overlaps += Interlocked.Increment(ref underWay[key]) > 1 ? 1 : 0;
            await Task.Delay(Random.Shared.Next(5));
            Interlocked.Decrement(ref underWay[key]);
        });
        using var connection = Connect(server, "batch-messages = 2, batch-delay = 1ms");
        await using var publisher = new BatchingPublisher(connection, "orders_data");

        var ids = new List<Task<string>>();
        for (var n = 0; n < 300; n++)
        {
            ids.Add(await publisher.EnqueueAsync(Message($"{n}", $"key {n % 3}"), default));
        }

        await Task.WhenAll(ids);
        overlaps.ShouldBe(0);
        for (var key = 0; key < 3; key++)
        {
            _requests.SelectMany(request => request.Texts).Select(int.Parse).Where(n => n % 3 == key)
                .ShouldBe(Enumerable.Range(0, 300).Where(n => n % 3 == key));
        }
    }

    [Fact]
    public async Task After_a_failure_nothing_of_its_key_is_published_until_the_key_is_resumed()
    {
        await using var server = await StartAsync(
            async call =>
            {
                await Task.Delay(50);
                if (call.Contains("bad"))
                {
                    throw new RpcException(new Status(StatusCode.InvalidArgument, "a bad message"));
                }
            });
        using var connection = Connect(server, "batch-messages = 1");
        await using var publisher = new BatchingPublisher(connection, "orders_data");
        var bad = await publisher.EnqueueAsync(Message("bad", "key"), default);
        var next = await publisher.EnqueueAsync(Message("next", "key"), default);
        var other = await publisher.EnqueueAsync(Message("other", "another key"), default);

        (await Should.ThrowAsync<PublishFailedException>(bad)).Message.ShouldContain("a bad message");
        await Should.ThrowAsync<PublishFailedException>(next);
        (await other).ShouldBe("id other");
        await Should.ThrowAsync<PublishFailedException>(await publisher.EnqueueAsync(Message("later", "key"), default));

        publisher.Resume("key");
        (await await publisher.EnqueueAsync(Message("again", "key"), default)).ShouldBe("id again");
        _requests.SelectMany(request => request.Texts).Order().ShouldBe(["again", "bad", "other"]);
    }

    [Fact]
    public async Task Disposing_publishes_what_waits_and_does_not_wait_for_ever_without_a_server()
    {
        var server = await StartAsync();
        using var connection = Connect(server, "batch-delay = 1m, request-timeout = 300ms");
        var publisher = new BatchingPublisher(connection, "orders_data");
        var ids = await EnqueueAsync(publisher, "a", "b");
        await publisher.DisposeAsync();
        (await Task.WhenAll(ids)).ShouldBe(["id a", "id b"]);

        await server.DisposeAsync();
        var lost = new BatchingPublisher(connection, "orders_data");
        var id = (await EnqueueAsync(lost, "c"))[0];
        await lost.DisposeAsync();
        await Should.ThrowAsync<OperationCanceledException>(id);
    }

    [Trait("Speed", "Slow")]
    [Fact]
    public async Task Thousands_of_keys_share_a_bounded_number_of_requests_on_one_connection_and_each_keeps_its_order()
    {
        const int Keys = 2_000;
        var (underWay, most) = (0, 0);
        await using var server = await StartAsync(async _ =>
        {
            var now = Interlocked.Increment(ref underWay);
            for (var seen = Volatile.Read(ref most); now > seen; seen = Volatile.Read(ref most))
            {
                Interlocked.CompareExchange(ref most, now, seen);
            }

            await Task.Yield();
            Interlocked.Decrement(ref underWay);
        });
        using var connection = Connect(server, "parallelism = 8, batch-delay = 0s");
        await using var publisher = new BatchingPublisher(connection, "orders_data");

        var ids = new List<Task<string>>();
        for (var n = 0; n < 2 * Keys; n++)
        {
            ids.Add(await publisher.EnqueueAsync(Message($"{n}", $"key {n % Keys}"), default));
        }

        await Task.WhenAll(ids).WaitAsync(TimeSpan.FromSeconds(60));
        most.ShouldBeInRange(2, 8);
        server.Calls.Select(call => call.Connection).Distinct().Count().ShouldBe(1);
        var order = _requests.SelectMany(request => request.Texts).Select(int.Parse).Index().ToDictionary(text => text.Item, text => text.Index);
        Enumerable.Range(0, Keys).ShouldAllBe(key => order[key] < order[key + Keys]);
    }

    [Fact]
    public async Task A_message_that_is_not_published_within_the_total_timeout_fails_says_why_and_stops_its_key()
    {
        var isUp = false;
        await using var server = await StartAsync(
            _ => Volatile.Read(ref isUp) ? Task.CompletedTask : throw new RpcException(new Status(StatusCode.Unavailable, "try later")));
        using var connection = Connect(server, "total-timeout = 500ms, batch-messages = 1");
        await using var publisher = new BatchingPublisher(connection, "orders_data");

        var first = await publisher.EnqueueAsync(Message("first", "key"), default);
        var second = await publisher.EnqueueAsync(Message("second", "key"), default);
        var failure = await Should.ThrowAsync<PublishFailedException>(first.WaitAsync(TimeSpan.FromSeconds(20)));
        Volatile.Write(ref isUp, true);

        failure.Message.ShouldSatisfyAllConditions(
            message => message.ShouldContain("projects/test/topics/orders_data"),
            message => message.ShouldContain("0.5 s (ecomstream.pubsub.publisher.total-timeout)"),
            message => message.ShouldContain("Unavailable (try later)"));
        (await Should.ThrowAsync<PublishFailedException>(second.WaitAsync(TimeSpan.FromSeconds(20)))).ShouldBeSameAs(failure);
        publisher.Outstanding.ShouldBe((0, 0L));
        publisher.Resume("key");
        (await await publisher.EnqueueAsync(Message("third", "key"), default)).ShouldBe("id third");
    }

    [Fact]
    public async Task A_message_that_waits_for_other_requests_until_the_total_timeout_fails_too()
    {
        var open = new TaskCompletionSource();
        await using var server = await StartAsync(_ => open.Task);
        using var connection = Connect(server, "total-timeout = 300ms, batch-messages = 1, parallelism = 1");
        await using var publisher = new BatchingPublisher(connection, "orders_data");

        var ids = await EnqueueAsync(publisher, "a", "b");

        (await Should.ThrowAsync<PublishFailedException>(ids[1].WaitAsync(TimeSpan.FromSeconds(20)))).Message.ShouldContain("total-timeout");
        await Should.ThrowAsync<PublishFailedException>(ids[0].WaitAsync(TimeSpan.FromSeconds(20)));
        open.SetResult();
        publisher.Outstanding.ShouldBe((0, 0L));
    }

    [Fact]
    public async Task A_cancelled_message_is_removed_before_it_is_sent_and_makes_room()
    {
        await using var server = await StartAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var connection = Connect(server, "max-outstanding-messages = 2, batch-delay = 100ms", time);
        await using var publisher = new BatchingPublisher(connection, "orders_data");
        using var cancelled = new CancellationTokenSource();
        var first = await publisher.EnqueueAsync(Message("first", "key"), cancelled.Token);
        var second = await publisher.EnqueueAsync(Message("second"), default);
        var third = publisher.EnqueueAsync(Message("third"), default).AsTask();
        third.IsCompleted.ShouldBeFalse();

        await cancelled.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(first.WaitAsync(TimeSpan.FromSeconds(10)));
        var id = await third.WaitAsync(TimeSpan.FromSeconds(10));
        await publisher.FlushAsync(default);
        (await Task.WhenAll(second, id)).ShouldBe(["id second", "id third"]);
        _requests.SelectMany(request => request.Texts).ShouldBe(["second", "third"]);
        publisher.Outstanding.ShouldBe((0, 0L));
        await Should.ThrowAsync<OperationCanceledException>(async () => await publisher.EnqueueAsync(Message("late"), cancelled.Token));
    }

    [Fact]
    public async Task A_cancelled_message_that_waits_behind_another_of_its_key_is_removed_and_one_that_is_sent_is_not_waited_for()
    {
        var (open, begun) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var server = await StartAsync(_ =>
        {
            begun.TrySetResult();
            return open.Task;
        });
        using var connection = Connect(server, "batch-messages = 1");
        await using var publisher = new BatchingPublisher(connection, "orders_data");
        using var cancelled = new CancellationTokenSource();
        var sent = await publisher.EnqueueAsync(Message("sent", "key"), cancelled.Token);
        var waits = await publisher.EnqueueAsync(Message("waits", "key"), cancelled.Token);
        var last = await publisher.EnqueueAsync(Message("last", "key"), default);
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(10));

        await cancelled.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(sent.WaitAsync(TimeSpan.FromSeconds(10)));
        await Should.ThrowAsync<OperationCanceledException>(waits.WaitAsync(TimeSpan.FromSeconds(10)));
        publisher.Outstanding.Messages.ShouldBe(2, "what was sent is outstanding until its answer");
        open.SetResult();
        (await last.WaitAsync(TimeSpan.FromSeconds(10))).ShouldBe("id last");
        _requests.SelectMany(request => request.Texts).ShouldBe(["sent", "last"]);
        publisher.Outstanding.ShouldBe((0, 0L));
    }

    [Fact]
    public async Task No_request_has_messages_of_different_keys()
    {
        await using var server = await StartAsync();
        using var connection = Connect(server, "batch-messages = 2");
        await using var publisher = new PubSubPublisher(connection);

        var ids = await publisher.PublishAsync(
            "orders_data", [Message("a1", "a"), Message("b1", "b"), Message("1"), Message("a2", "a"), Message("a3", "a"), Message("2")], default);

        ids.ShouldBe(["id a1", "id b1", "id 1", "id a2", "id a3", "id 2"]);
        _requests.Select(request => string.Join(" ", request.Texts)).ShouldBe(["a1", "b1", "1", "a2 a3", "2"]);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_says_which_of_its_messages_were_accepted()
    {
        using var cancelled = new CancellationTokenSource();
        await using var server = await StartAsync(async texts =>
        {
            if (texts.Contains("c"))
            {
                await cancelled.CancelAsync();
                throw new RpcException(new Status(StatusCode.Unavailable, "try later"));
            }
        });
        using var connection = Connect(server, "batch-messages = 2");
        await using var publisher = new PubSubPublisher(connection);

        // Shouldly sees a cancelled task and not its exception.
        var ended = await Assert.ThrowsAsync<PublishCanceledException>(
            () => publisher.PublishAsync("orders_data", [Message("a"), Message("b"), Message("c")], cancelled.Token));

        ended.Accepted.ShouldBe([0, 1]);
    }

    [Fact]
    public async Task A_refusal_after_an_attempt_without_an_answer_is_uncertain()
    {
        var attempts = 0;
        await using var server = await StartAsync(_ => throw new RpcException(
            ++attempts == 1 ? new Status(StatusCode.Unavailable, "try later") : new Status(StatusCode.NotFound, "deleted")));
        using var connection = Connect(server, "batch-messages = 2");
        await using var publisher = new PubSubPublisher(connection);

        var refused = await Should.ThrowAsync<PublishFailedException>(publisher.PublishAsync("orders_data", [Message("a")], default));

        refused.IsUncertain.ShouldBeTrue();
        refused.Accepted.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(500, true)]
    [InlineData(50_000, false)]
    public async Task Requests_above_the_threshold_are_compressed(int from, bool compressed)
    {
        await using var server = await StartAsync();
        using var connection = Connect(server, $"compress-from = {from}");
        await using var publisher = new PubSubPublisher(connection);

        await publisher.PublishAsync("orders_data", [Message(new string('x', 5_000))], default);

        var (texts, wasCompressed) = _requests.ShouldHaveSingleItem();
        texts[0].Length.ShouldBe(5_000);
        wasCompressed.ShouldBe(compressed);
    }

    private static OutgoingMessage Message(string text, string key = "") => new(Encoding.UTF8.GetBytes(text), Delivery.NoAttributes, key);

    private static async Task<Task<string>[]> EnqueueAsync(BatchingPublisher publisher, params string[] texts)
    {
        var ids = new List<Task<string>>();
        foreach (var text in texts)
        {
            ids.Add(await publisher.EnqueueAsync(Message(text), default));
        }

        return [.. ids];
    }

    private static PubSubConnection Connect(ScriptedPubSub server, string publisher, TimeProvider? time = null) =>
        PubSubConnection.Create(TestSettings.Of(server.Endpoint, hocon: $"ecomstream.pubsub.publisher {{ {publisher} }}"), time: time);

    private Task<ScriptedPubSub> StartAsync(Func<string[], Task>? before = null) => ScriptedPubSub.StartAsync(async call =>
    {
        var request = (await call.ReadAsync<PublishRequest>())!;
        var texts = request.Messages.Select(message => message.Data.ToStringUtf8()).ToArray();
        _requests.Enqueue((texts, call.WasCompressed));
        try
        {
            await (before?.Invoke(texts) ?? Task.CompletedTask);
        }
        catch (RpcException refused)
        {
            await call.FailAsync(refused.StatusCode, refused.Status.Detail);
            return;
        }

        await call.OkAsync(new PublishResponse { MessageIds = { texts.Select(text => $"id {text}") } });
    });
}
