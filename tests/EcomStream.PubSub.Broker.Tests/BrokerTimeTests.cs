using System.Net;
using EcomStream.PubSub.Broker.Testing;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>The clock of a broker in memory, which tests move, and publish times that tests choose.</summary>
public sealed class BrokerTimeTests
{
    [Fact]
    public async Task Leases_end_when_the_clock_is_moved_past_their_deadlines()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        await client.PublishAsync("a");
        await client.PullAsync();
        (await client.PullAsync()).ShouldBeEmpty();

        client.Broker.AdvanceTime(TimeSpan.FromSeconds(11));

        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["a"]);
    }

    [Fact]
    public async Task A_timer_of_the_clock_below_that_ends_too_soon_is_waited_for_again()
    {
        var below = new FakeTimeProvider();
        var waiting = Task.Delay(TimeSpan.FromMilliseconds(100), new MovableTime(new EarlyTimers(below)));

        below.Advance(TimeSpan.FromMilliseconds(99));
        waiting.IsCompleted.ShouldBeFalse();
        below.Advance(TimeSpan.FromMilliseconds(1));
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_message_that_was_published_before_its_retention_began_is_dropped_when_the_clock_is_moved()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "old"u8.ToArray(), PublishTime = DateTimeOffset.UtcNow.AddDays(-8) });
        client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "new"u8.ToArray() });

        client.Broker.AdvanceTime(TimeSpan.FromSeconds(1));

        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["new"]);
    }

    [Fact]
    public async Task Backoffs_and_retention_end_when_the_clock_is_moved()
    {
        await using var client = await StartWithBackoffAsync();
        await client.PublishAsync("a");
        await client.ModifyAsync(await client.PullAsync(), 0);
        (await client.PullAsync()).ShouldBeEmpty();

        client.Broker.AdvanceTime(TimeSpan.FromSeconds(301));
        (await client.PullAsync()).Count.ShouldBe(1);

        client.Broker.AdvanceTime(TimeSpan.FromHours(2));
        client.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task Each_backoff_is_waited_for_also_when_messages_are_pulled_one_by_one()
    {
        await using var client = await StartWithBackoffAsync();
        await client.PublishAsync("a");
        await client.ModifyAsync(await client.PullAsync(), 0);
        client.Broker.AdvanceTime(TimeSpan.FromSeconds(301));
        await client.ModifyAsync(await client.PullAsync(max: 1), 0);
        (await client.PullAsync(max: 1)).ShouldBeEmpty();
        client.Broker.AdvanceTime(TimeSpan.FromSeconds(601));
        (await client.PullAsync(max: 1)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task What_is_published_after_a_move_has_a_publish_time_of_the_moved_clock()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        client.Broker.AdvanceTime(TimeSpan.FromDays(3));
        await client.PublishAsync("a");
        var published = (await client.PullAsync())[0].Message.PublishTime.ToDateTimeOffset();
        (published - DateTimeOffset.UtcNow).ShouldBeInRange(TimeSpan.FromDays(2.9), TimeSpan.FromDays(3.1));
        client.Broker.Now.ShouldBeGreaterThanOrEqualTo(published);
    }

    [Fact]
    public async Task A_test_publishes_with_a_publish_time_of_its_own()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        var time = DateTimeOffset.UtcNow.AddHours(-5);
        var id = client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "old"u8.ToArray(), PublishTime = time, OrderingKey = "k", Attributes = { ["a"] = "b" } });
        client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "new"u8.ToArray() });

        var messages = (await client.PullAsync()).Select(received => received.Message).ToList();
        messages.Select(message => message.Data.ToStringUtf8()).ShouldBe(["old", "new"]);
        messages[0].MessageId.ShouldBe(id);
        (messages[0].OrderingKey, messages[0].Attributes["a"]).ShouldBe(("k", "b"));
        (messages[0].PublishTime.ToDateTimeOffset() - time).Duration().ShouldBeLessThan(TimeSpan.FromMilliseconds(1));
        Should.Throw<ArgumentException>(() => client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "x"u8.ToArray(), PublishTime = time })).Message.ShouldContain("later");
        Should.Throw<ArgumentException>(() => client.Broker.Publish(BrokerClient.Topic, new BrokerMessage())).Message.ShouldContain("data");
        Should.Throw<ArgumentException>(() => client.Broker.Publish("projects/p/topics/none", new BrokerMessage { Data = "x"u8.ToArray() })).Message.ShouldContain("none");
    }

    [Fact]
    public async Task A_publish_time_may_be_earlier_than_a_status_that_was_asked_for_before()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        var time = DateTimeOffset.UtcNow.AddHours(-5);
        client.Broker.GetSubscriptionStatus(BrokerClient.Subscription)!.Value.UnackedMessages.ShouldBe(0);

        client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "old"u8.ToArray(), PublishTime = time });

        var status = client.Broker.GetSubscriptionStatus(BrokerClient.Subscription)!.Value;
        status.UnackedMessages.ShouldBe(1);
        (DateTimeOffset.UnixEpoch.AddMicroseconds(status.OldestUnackedPublishTimeMicros) - time).Duration().ShouldBeLessThan(TimeSpan.FromMilliseconds(1));
        await client.PublishAsync("new");
        (await client.PullAsync())[1].Message.PublishTime.ToDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UnixEpoch.AddMicroseconds(status.NowMicros));
    }

    [Fact]
    public async Task The_admin_API_moves_the_clock_and_publishes_with_publish_times()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true, AdminApi = true });
        using var rest = new RestClient(client.Broker.Endpoint);
        var time = DateTimeOffset.UtcNow.AddHours(-5);
        var published = await rest.CallAsync(
            "POST", "/admin/v1/publish", $$"""{"topic":"{{BrokerClient.Topic}}","messages":[{"data":"aGk=","publishTime":"{{time:yyyy-MM-ddTHH:mm:ss.ffffffZ}}"},{"data":"aGk="}]}""");
        published.GetProperty("messageIds").GetArrayLength().ShouldBe(2);
        var first = (await client.PullAsync())[0].Message.PublishTime.ToDateTimeOffset();
        (first - time).Duration().ShouldBeLessThan(TimeSpan.FromMilliseconds(1));

        await rest.CallAsync("POST", "/admin/v1/time:advance", """{"seconds":11}""");
        (await client.PullAsync()).Count.ShouldBe(2);
        (await rest.CallAsync("GET", "/admin/v1/time")).GetProperty("now").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddSeconds(5));

        foreach (var wrong in (string[])["{", "{}", """{"seconds":-1}""", """{"minutes":1}"""])
        {
            (await rest.SendAsync("POST", "/admin/v1/time:advance", wrong)).Status.ShouldBe(HttpStatusCode.BadRequest, wrong);
        }

        (await rest.SendAsync("POST", "/admin/v1/publish", """{"topic":"projects/p/topics/none","messages":[{"data":"aGk="}]}""")).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task The_clock_of_a_broker_with_files_is_not_moved()
    {
        using var folder = new TemporaryFolder();
        await using var client = await BrokerClient.StartReadyAsync(folder.Path, o => o with { AdminApi = true });
        using var rest = new RestClient(client.Broker.Endpoint);
        Should.Throw<InvalidOperationException>(() => client.Broker.AdvanceTime(TimeSpan.FromSeconds(1)));
        Should.Throw<InvalidOperationException>(() => client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "x"u8.ToArray(), PublishTime = DateTimeOffset.UtcNow }));
        (await rest.SendAsync("POST", "/admin/v1/time:advance", """{"seconds":11}""")).Status.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public void Timers_run_when_a_move_makes_them_due_and_in_their_periods()
    {
        var inner = new FakeTimeProvider();
        var time = new MovableTime(inner);
        var runs = 0;
        using var timer = time.CreateTimer(_ => runs++, null, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(5));
        inner.Advance(TimeSpan.FromSeconds(4));
        runs.ShouldBe(0);
        time.Advance(TimeSpan.FromSeconds(5));
        inner.Advance(TimeSpan.FromSeconds(1));
        runs.ShouldBe(1);
        inner.Advance(TimeSpan.FromSeconds(5));
        runs.ShouldBe(2);
        time.GetElapsedTime(0, time.GetTimestamp()).ShouldBe(inner.GetElapsedTime(0, inner.GetTimestamp()) + TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task The_metrics_tell_what_the_broker_holds()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        await client.PublishAsync("a", "b", "c");
        await client.AckAsync(await client.PullAsync(1));
        await client.PullAsync(1);

        using var http = new HttpClient();
        using var response = await http.GetAsync($"http://{client.Broker.Endpoint}/metrics");
        var text = await response.Content.ReadAsStringAsync();

        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/plain");
        text.ShouldContain("ecomstream_broker_up 1\n");
        text.ShouldContain($$"""ecomstream_broker_topic_messages_total{topic="{{BrokerClient.Topic}}"} 3""");
        text.ShouldContain($$"""ecomstream_broker_subscription_backlog{subscription="{{BrokerClient.Subscription}}"} 2""");
        text.ShouldContain($$"""ecomstream_broker_subscription_leased{subscription="{{BrokerClient.Subscription}}"} 1""");
    }

    // Five to ten minutes, and messages are kept for an hour.
    private static async Task<BrokerClient> StartWithBackoffAsync()
    {
        var client = await BrokerClient.StartAsync("", o => o with { InMemory = true });
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription
        {
            Name = BrokerClient.Subscription,
            Topic = BrokerClient.Topic,
            RetryPolicy = new RetryPolicy { MinimumBackoff = Duration.FromTimeSpan(TimeSpan.FromSeconds(300)), MaximumBackoff = Duration.FromTimeSpan(TimeSpan.FromSeconds(600)) },
            MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromHours(1)),
        });
        return client;
    }

    // Its timers end a millisecond too soon, as those of .NET may; those of a millisecond are exact.
    private sealed class EarlyTimers(FakeTimeProvider time) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => time.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new EarlyTimer(time.CreateTimer(callback, state, Early(dueTime), period));

        private static TimeSpan Early(TimeSpan due) => due.TotalMilliseconds > 1 ? due - TimeSpan.FromMilliseconds(1) : due;

        private sealed class EarlyTimer(ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(Early(dueTime), period);

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
