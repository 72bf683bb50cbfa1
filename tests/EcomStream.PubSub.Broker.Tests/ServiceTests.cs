using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

public sealed class ServiceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_message_is_delivered_with_its_attributes_ordering_key_id_and_publish_time()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var before = DateTimeOffset.UtcNow;
        var published = await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic,
            Messages =
            {
                new PubsubMessage { Data = ByteString.CopyFromUtf8("hello"), OrderingKey = "key", Attributes = { ["origin"] = "test" } },
            },
        });
        var received = (await client.PullAsync()).ShouldHaveSingleItem().Message;
        received.Data.ToStringUtf8().ShouldBe("hello");
        received.OrderingKey.ShouldBe("key");
        received.Attributes["origin"].ShouldBe("test");
        received.MessageId.ShouldBe(published.MessageIds.Single());
        received.PublishTime.ToDateTimeOffset().ShouldBeInRange(before.AddSeconds(-1), DateTimeOffset.UtcNow.AddSeconds(1));
    }

    [Fact]
    public async Task Every_message_has_a_greater_id_and_publish_time_than_the_one_before()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishManyAsync(1_000);
        var messages = await client.PullAsync();
        messages.Select(m => long.Parse(m.Message.MessageId)).ShouldBeInOrder(SortDirection.Ascending);
        messages.Select(m => m.Message.PublishTime.ToDateTimeOffset()).Distinct().Count().ShouldBe(1_000);
        messages.Select(m => m.Message.PublishTime.ToDateTimeOffset()).ShouldBeInOrder(SortDirection.Ascending);
    }

    [Fact]
    public async Task What_is_acked_is_not_delivered_again()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishManyAsync(10);
        await client.AckAsync(await client.PullAsync());
        client.Stats.Backlog.ShouldBe(0);
        (await client.PullAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_is_leased_is_not_delivered_until_its_deadline_has_passed()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Time = time, Fsync = FsyncPolicy.Never });
        await client.PublishAsync("a", "b");
        (await client.PullAsync()).Count.ShouldBe(2);
        time.Advance(TimeSpan.FromSeconds(9));
        (await client.PullAsync()).ShouldBeEmpty();
        time.Advance(TimeSpan.FromSeconds(2));
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["a", "b"]);
        client.Stats.Redelivered.ShouldBe(2);
    }

    [Fact]
    public async Task A_lease_that_is_extended_lasts_longer()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Time = time, Fsync = FsyncPolicy.Never });
        await client.PublishAsync("a");
        await client.ModifyAsync(await client.PullAsync(), 60);
        time.Advance(TimeSpan.FromSeconds(59));
        (await client.PullAsync()).ShouldBeEmpty();
        time.Advance(TimeSpan.FromSeconds(2));
        (await client.PullAsync()).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task An_ack_that_comes_after_the_deadline_counts()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Time = time, Fsync = FsyncPolicy.Never });
        await client.PublishAsync("a");
        var late = await client.PullAsync();
        time.Advance(TimeSpan.FromSeconds(11));
        await client.AckAsync(late);
        (await client.PullAsync()).ShouldBeEmpty();
        client.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task A_nack_gives_the_message_back_at_once()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishAsync("a", "b");
        await client.ModifyAsync((await client.PullAsync()).Take(1), 0);
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["a"]);
    }

    [Fact]
    public async Task A_subscription_gets_what_is_published_after_it_was_made_and_each_subscription_gets_everything()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishAsync("before");
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/second", Topic = BrokerClient.Topic });
        await client.PublishAsync("after");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["before", "after"]);
        var second = await client.Subscriber.PullAsync(new PullRequest { Subscription = "projects/p/subscriptions/second", MaxMessages = 10 });
        second.ReceivedMessages.Select(BrokerClient.Text).ShouldBe(["after"]);
    }

    [Fact]
    public async Task A_stream_has_no_more_outstanding_than_it_asked_for_and_gets_more_as_it_acks()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishManyAsync(25);
        using var stream = await client.StreamAsync(maxMessages: 10);
        var seen = 0;
        while (seen < 25)
        {
            (await stream.ResponseStream.MoveNext(new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token)).ShouldBeTrue();
            var messages = stream.ResponseStream.Current.ReceivedMessages;
            client.Stats.Outstanding.ShouldBeLessThanOrEqualTo(10);
            seen += messages.Count;
            var acks = new StreamingPullRequest();
            acks.AckIds.AddRange(messages.Select(m => m.AckId));
            await stream.RequestStream.WriteAsync(acks);
        }

        await Eventually.True(() => client.Stats.Backlog == 0, "every message is acked");
        client.Stats.Redelivered.ShouldBe(0);
    }

    [Fact]
    public async Task Two_streams_of_one_subscription_share_its_messages()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var first = await client.StreamAsync(maxMessages: 100);
        using var second = await client.StreamAsync(maxMessages: 100);
        await client.PublishManyAsync(200);
        var seen = new System.Collections.Concurrent.ConcurrentBag<string>();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        async Task Read(AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> stream)
        {
            var mine = 0;
            while (mine < 100 && await stream.ResponseStream.MoveNext(deadline.Token))
            {
                foreach (var message in stream.ResponseStream.Current.ReceivedMessages)
                {
                    seen.Add(message.Message.MessageId);
                    mine++;
                }
            }
        }

        await Task.WhenAll(Read(first), Read(second));
        seen.Distinct().Count().ShouldBe(200);
    }

    [Theory]
    [InlineData("orders")]
    [InlineData("projects/p/topics/ab")]
    [InlineData("projects/p/topics/googtopic")]
    [InlineData("projects/p/subscriptions/orders")]
    public async Task A_topic_name_out_of_the_rules_is_INVALID_ARGUMENT(string name)
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        (await StatusOf(() => client.Publisher.CreateTopicAsync(new Topic { Name = name }).ResponseAsync)).ShouldBe(StatusCode.InvalidArgument);
    }

    [Theory]
    [InlineData("orders", "it must have the form projects/PROJECT/topics/TOPIC")]
    [InlineData("projects/p/subscriptions/orders", "it must have the form projects/PROJECT/topics/TOPIC")]
    [InlineData("projects//topics/orders", "it must have the form projects/PROJECT/topics/TOPIC")]
    [InlineData("projects/p/topics/ab", "the topic id 'ab' has 2 characters; it must have 3 to 255")]
    [InlineData("projects/p/topics/goog-x", "the topic id 'goog-x' must not begin with goog")]
    [InlineData("projects/p/topics/1orders", "the topic id '1orders' must begin with a letter")]
    [InlineData("projects/p/topics/or ders", "the topic id 'or ders' contains ' '")]
    public async Task The_rule_that_a_name_breaks_is_named(string name, string rule)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var topic = await Should.ThrowAsync<RpcException>(async () => await client.Publisher.CreateTopicAsync(new Topic { Name = name }));
        topic.Status.Detail.ShouldStartWith($"Invalid topic name '{name}': {rule}");

        var deadLetter = await Should.ThrowAsync<RpcException>(async () => await client.Subscriber.CreateSubscriptionAsync(new Subscription
        {
            Name = "projects/p/subscriptions/other", Topic = BrokerClient.Topic, DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = name },
        }));
        deadLetter.Status.Detail.ShouldContain(rule);
    }

    [Fact]
    public async Task The_rule_that_the_name_of_a_subscription_or_a_snapshot_breaks_is_named()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var subscription = await Should.ThrowAsync<RpcException>(async () =>
            await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/ab", Topic = BrokerClient.Topic }));
        subscription.Status.Detail.ShouldContain("the subscription id 'ab' has 2 characters");
        var snapshot = await Should.ThrowAsync<RpcException>(async () => await client.Subscriber.CreateSnapshotAsync(
            new CreateSnapshotRequest { Name = $"projects/p/snapshots/{new string('a', 256)}", Subscription = BrokerClient.Subscription }));
        snapshot.Status.Detail.ShouldContain("has 256 characters");
    }

    [Fact]
    public async Task What_exists_is_ALREADY_EXISTS_and_what_does_not_is_NOT_FOUND()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        (await StatusOf(() => client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic }).ResponseAsync)).ShouldBe(StatusCode.AlreadyExists);
        (await StatusOf(() => client.Subscriber.CreateSubscriptionAsync(
            new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic }).ResponseAsync)).ShouldBe(StatusCode.AlreadyExists);
        (await StatusOf(() => client.Publisher.GetTopicAsync(new GetTopicRequest { Topic = "projects/p/topics/none" }).ResponseAsync)).ShouldBe(StatusCode.NotFound);
        (await StatusOf(() => client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = "projects/p/topics/none",
            Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8("x") } },
        }).ResponseAsync)).ShouldBe(StatusCode.NotFound);
        (await StatusOf(() => client.Subscriber.PullAsync(new PullRequest { Subscription = "projects/p/subscriptions/none", MaxMessages = 1 }).ResponseAsync))
            .ShouldBe(StatusCode.NotFound);
        using var stream = client.Subscriber.StreamingPull();
        await BrokerClient.OpenAsync(stream, new StreamingPullRequest { Subscription = "projects/p/subscriptions/none", StreamAckDeadlineSeconds = 10 });
        (await StatusOf(() => stream.ResponseStream.MoveNext(CancellationToken.None))).ShouldBe(StatusCode.NotFound);
    }

    [Theory]
    [InlineData("FF FF FF")] // a tag without an end
    [InlineData("12 32 01")] // a message that is cut
    [InlineData("0A 01 FF 12 03 0A 01 78")] // a topic that is no UTF-8
    public async Task A_publish_that_nobody_can_read_is_INVALID_ARGUMENT_and_says_so(string hex)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);

        var refused = await Should.ThrowAsync<RpcException>(() => client.PublishAsync(Convert.FromHexString(hex.Replace(" ", ""))));

        refused.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        refused.Status.Detail.ShouldStartWith("The request is not a PublishRequest: ");
        await client.PublishAsync("goes on");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["goes on"]);
    }

    [Theory]
    [InlineData("google.pubsub.v1.Publisher", "GetTopic")]
    [InlineData("google.pubsub.v1.Publisher", "CreateTopic")]
    [InlineData("google.pubsub.v1.Subscriber", "Pull")]
    [InlineData("google.pubsub.v1.Subscriber", "Acknowledge")]
    [InlineData("google.pubsub.v1.Subscriber", "StreamingPull")]
    [InlineData("ecomstream.broker.v1.Inspection", "GetSubscriptionStatus")]
    public async Task A_request_that_nobody_can_read_is_INVALID_ARGUMENT_in_every_method(string service, string method)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        foreach (var hex in new[] { "0AFF", "0A02C328", "0F" })
        {
            var refused = await Should.ThrowAsync<RpcException>(() => client.CallAsync(service, method, Convert.FromHexString(hex)));
            refused.StatusCode.ShouldBe(StatusCode.InvalidArgument, hex);
            refused.Status.Detail.ShouldContain("The request is not a", Case.Sensitive, hex);
        }
    }

    [Fact]
    public async Task An_empty_message_a_too_large_one_and_too_many_are_INVALID_ARGUMENT()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        (await PublishStatus(client, new PubsubMessage())).ShouldBe(StatusCode.InvalidArgument);
        (await PublishStatus(client, new PubsubMessage { Data = ByteString.CopyFrom(new byte[10_000_001]) })).ShouldBe(StatusCode.InvalidArgument);
        (await PublishStatus(client, [.. Enumerable.Repeat(new PubsubMessage { Data = ByteString.CopyFromUtf8("x") }, 1_001)])).ShouldBe(StatusCode.InvalidArgument);
        (await PublishStatus(client, new PubsubMessage { Attributes = { ["only"] = "attributes" } })).ShouldBe(StatusCode.OK);
        (await PublishStatus(client, new PubsubMessage { Data = ByteString.CopyFrom(new byte[10_000_000]) })).ShouldBe(StatusCode.OK);
        (await client.PullAsync()).Select(m => m.Message.Data.Length).ShouldBe([0, 10_000_000]);
    }

    [Fact]
    public async Task What_the_broker_does_not_support_yet_is_UNIMPLEMENTED_and_named()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        Task<Subscription> Subscribe(Action<Subscription> settings)
        {
            var subscription = new Subscription { Name = "projects/p/subscriptions/odd", Topic = BrokerClient.Topic };
            settings(subscription);
            return client.Subscriber.CreateSubscriptionAsync(subscription).ResponseAsync;
        }

        Task<Topic> Create(Action<Topic> settings)
        {
            var topic = new Topic { Name = "projects/p/topics/kept" };
            settings(topic);
            return client.Publisher.CreateTopicAsync(topic).ResponseAsync;
        }

        await ShouldNameAsync(() => Subscribe(s => s.BigqueryConfig = new BigQueryConfig()), "bigquery_config");
        await ShouldNameAsync(() => Subscribe(s => s.MessageTransforms.Add(new MessageTransform())), "message_transforms");
        await ShouldNameAsync(() => Create(t => t.KmsKeyName = "a/key"), "kms_key_name");
        (await StatusOf(() => client.Publisher.GetTopicAsync(new GetTopicRequest { Topic = "projects/p/topics/kept" }).ResponseAsync)).ShouldBe(StatusCode.NotFound);
    }

    [Fact]
    public async Task The_ack_deadline_of_a_subscription_can_be_updated_and_stays_after_a_restart()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            Task<Subscription> Update(int seconds, params string[] paths) => client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
            {
                Subscription = new Subscription { Name = BrokerClient.Subscription, AckDeadlineSeconds = seconds },
                UpdateMask = new() { Paths = { paths } },
            }).ResponseAsync;
            (await Update(45, "ack_deadline_seconds")).AckDeadlineSeconds.ShouldBe(45);
            (await StatusOf(() => Update(601, "ack_deadline_seconds"))).ShouldBe(StatusCode.InvalidArgument);
            (await StatusOf(() => Update(30))).ShouldBe(StatusCode.InvalidArgument);
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path);
        (await again.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = BrokerClient.Subscription })).AckDeadlineSeconds.ShouldBe(45);
    }

    [Fact]
    public async Task A_client_whose_lease_has_passed_to_another_can_ack_but_neither_extend_nor_give_back()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Time = time, Fsync = FsyncPolicy.Never });
        await client.PublishAsync("a");
        var late = await client.PullAsync();
        time.Advance(TimeSpan.FromSeconds(11));
        (await client.PullAsync()).ShouldHaveSingleItem();

        await client.ModifyAsync(late, 0);
        (await client.PullAsync()).ShouldBeEmpty();
        await client.ModifyAsync(late, 600);
        time.Advance(TimeSpan.FromSeconds(11));
        (await client.PullAsync()).ShouldHaveSingleItem();
        await client.AckAsync(late);
        client.Stats.ShouldBe(new SubscriptionStats(0, 0, 2));
    }

    [Fact]
    public async Task Messages_given_back_with_gaps_between_them_are_all_delivered_again()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishManyAsync(1_000);
        var all = await client.PullAsync();
        var back = all.Where((_, i) => i % 7 == 0 || i is > 300 and < 700).ToList();
        await client.ModifyAsync(back, 0);
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(back.Select(BrokerClient.Text));
    }

    [Theory]
    [InlineData(601)]
    [InlineData(-1)]
    public async Task A_deadline_out_of_range_on_a_stream_is_INVALID_ARGUMENT(int seconds)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var stream = await client.StreamAsync();
        await stream.RequestStream.WriteAsync(new StreamingPullRequest { ModifyDeadlineAckIds = { "1" }, ModifyDeadlineSeconds = { seconds } });
        (await StatusOf(() => stream.ResponseStream.MoveNext(CancellationToken.None))).ShouldBe(StatusCode.InvalidArgument);
    }

    [Fact]
    public async Task A_stream_ends_with_UNAVAILABLE_when_the_broker_stops_and_with_NOT_FOUND_when_the_subscription_is_deleted()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/second", Topic = BrokerClient.Topic });
        using var stopped = await client.StreamAsync();
        using var deleted = client.Subscriber.StreamingPull();
        await BrokerClient.OpenAsync(deleted, new StreamingPullRequest { Subscription = "projects/p/subscriptions/second", StreamAckDeadlineSeconds = 10 });
        await Task.WhenAll(stopped.ResponseHeadersAsync, deleted.ResponseHeadersAsync);

        await client.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = "projects/p/subscriptions/second" });
        (await StatusOf(() => deleted.ResponseStream.MoveNext(CancellationToken.None))).ShouldBe(StatusCode.NotFound);
        var end = StatusOf(() => stopped.ResponseStream.MoveNext(CancellationToken.None));
        await client.Broker.DisposeAsync();
        (await end).ShouldBe(StatusCode.Unavailable);
    }

    [Fact]
    public async Task Lists_come_in_pages()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        foreach (var n in Enumerable.Range(0, 5))
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = $"projects/p/topics/topic{n}" });
        }

        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/other/topics/topic" });
        var names = new List<string>();
        var token = "";
        do
        {
            var page = await client.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p", PageSize = 2, PageToken = token });
            page.Topics.Count.ShouldBeLessThanOrEqualTo(2);
            names.AddRange(page.Topics.Select(t => t.Name));
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        names.ShouldBe(Enumerable.Range(0, 5).Select(n => $"projects/p/topics/topic{n}"));
    }

    [Fact]
    public async Task A_deleted_topic_leaves_its_subscription_and_backlog()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishAsync("left");
        await client.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = BrokerClient.Topic });
        (await client.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = BrokerClient.Subscription })).Topic.ShouldBe("_deleted-topic_");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["left"]);
    }

    private static async Task<StatusCode> PublishStatus(BrokerClient client, params PubsubMessage[] messages)
    {
        var request = new PublishRequest { Topic = BrokerClient.Topic };
        request.Messages.AddRange(messages);
        return await StatusOf(() => client.Publisher.PublishAsync(request).ResponseAsync);
    }

    private static async Task ShouldNameAsync<T>(Func<Task<T>> call, string name)
    {
        var refused = await Should.ThrowAsync<RpcException>(call);
        refused.StatusCode.ShouldBe(StatusCode.Unimplemented);
        refused.Status.Detail.ShouldContain(name);
    }
}
