using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A disk that is full refuses what would be lost, with RESOURCE_EXHAUSTED, and everything goes on when there is room again.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private volatile string? _fullFor;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Publishes_are_refused_and_nothing_of_them_is_delivered_and_nothing_before_them_is_lost()
    {
        await using var client = await StartAsync();
        await client.PublishAsync("before");
        _fullFor = ".log";
        (await StatusOf(() => client.PublishAsync("a", "b"))).ShouldBe(StatusCode.ResourceExhausted);
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["before"]);
        _fullFor = null;
        await client.PublishAsync("after");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["after"]);
        await ShouldHoldAsync("before", "after");
    }

    [Fact]
    public async Task Acks_are_refused_and_count_when_they_are_sent_again()
    {
        await using var client = await StartAsync();
        await client.PublishAsync("a", "b");
        var pulled = await client.PullAsync();
        _fullFor = ".acks";
        (await StatusOf(() => AckAsync(client, pulled))).ShouldBe(StatusCode.ResourceExhausted);
        await ShouldHoldAsync("a", "b");
        _fullFor = null;
        await client.AckAsync(pulled);
        await ShouldHoldAsync();
    }

    [Fact]
    public async Task A_stream_whose_acks_cannot_be_written_ends_with_RESOURCE_EXHAUSTED()
    {
        await using var client = await StartAsync();
        await client.PublishAsync("a");
        using var stream = await client.StreamAsync();
        (await stream.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        _fullFor = ".acks";
        await stream.RequestStream.WriteAsync(new StreamingPullRequest { AckIds = { stream.ResponseStream.Current.ReceivedMessages[0].AckId } });
        (await StatusOf(() => stream.ResponseStream.MoveNext(CancellationToken.None))).ShouldBe(StatusCode.ResourceExhausted);
        await ShouldHoldAsync("a");
    }

    [Fact]
    public async Task Topics_and_subscriptions_are_as_the_last_answer_said()
    {
        await using var client = await StartAsync();
        _fullFor = "broker.json";
        (await StatusOf(() => client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/more" }).ResponseAsync)).ShouldBe(StatusCode.ResourceExhausted);
        (await StatusOf(() => client.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = BrokerClient.Topic }).ResponseAsync)).ShouldBe(StatusCode.ResourceExhausted);
        (await StatusOf(() => client.Subscriber.CreateSubscriptionAsync(
            new Subscription { Name = "projects/p/subscriptions/more", Topic = BrokerClient.Topic }).ResponseAsync)).ShouldBe(StatusCode.ResourceExhausted);
        (await StatusOf(() => client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
        {
            Subscription = new Subscription { Name = BrokerClient.Subscription, AckDeadlineSeconds = 60 },
            UpdateMask = new() { Paths = { "ack_deadline_seconds" } },
        }).ResponseAsync)).ShouldBe(StatusCode.ResourceExhausted);
        (await client.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.Select(t => t.Name).ShouldBe(["projects/p/topics/dead", BrokerClient.Topic]);
        var subscriptions = await client.Subscriber.ListSubscriptionsAsync(new ListSubscriptionsRequest { Project = "projects/p" });
        subscriptions.Subscriptions.ShouldHaveSingleItem().AckDeadlineSeconds.ShouldBe(10);
        _fullFor = null;
        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/more" });
        await client.PublishAsync("still there");
        await ShouldHoldAsync("still there");
    }

    [Fact]
    public async Task A_dead_letter_that_cannot_be_forwarded_or_not_be_acked_is_delivered_again_and_forwarded_later()
    {
        await using var client = await StartAsync(s => s.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = "projects/p/topics/dead", MaxDeliveryAttempts = 5 });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/dead-sub", Topic = "projects/p/topics/dead" });
        await client.PublishAsync("bad");
        foreach (var full in (string?[])[".log", ".acks", null])
        {
            // The failures of a delivery are counted in memory when they cannot be written.
            while (client.Stats.Backlog > 0 && await client.PullAsync() is var pulled)
            {
                _fullFor = full;
                if (pulled.Count > 0)
                {
                    await client.ModifyAsync(pulled, 0);
                    if (full is not null && pulled[0].DeliveryAttempt >= 7)
                    {
                        break;
                    }
                }

                await Task.Delay(50);
            }

            _fullFor = null;
        }

        client.Stats.ShouldBe(new SubscriptionStats(0, 0, client.Stats.Redelivered));
        var letters = await client.Subscriber.PullAsync(new PullRequest { Subscription = "projects/p/subscriptions/dead-sub", MaxMessages = 10 });
        letters.ReceivedMessages.Select(BrokerClient.Text).ShouldContain("bad");
    }

    [Fact]
    public async Task After_a_sync_that_failed_nothing_is_answered_until_the_broker_is_started_again()
    {
        var isBroken = false;
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with
        {
            Fsync = FsyncPolicy.Always,
            Files = new BrokerFiles(afterSync: (path, _) =>
            {
                if (isBroken && path.EndsWith(".log", StringComparison.Ordinal))
                {
                    throw new IOException("Input/output error");
                }
            }),
        }))
        {
            await client.PublishAsync("before");
            isBroken = true;
            (await StatusOf(() => client.PublishAsync("lost?"))).ShouldBe(StatusCode.ResourceExhausted);
            isBroken = false;
            (await StatusOf(() => client.PublishAsync("after"))).ShouldBe(StatusCode.ResourceExhausted);
            (await client.PullAsync())[0].Message.Data.ToStringUtf8().ShouldBe("before");
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path);
        await again.PublishAsync("after");
        (await again.PullAsync()).Select(BrokerClient.Text).ShouldContain("after");
    }

    [Fact]
    public async Task With_ordering_what_could_not_be_acked_comes_again_in_its_order()
    {
        await using var client = await StartAsync(s => s.EnableMessageOrdering = true);
        await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic,
            Messages = { "123".Select(c => new PubsubMessage { OrderingKey = "k", Data = Google.Protobuf.ByteString.CopyFromUtf8($"{c}") }) },
        });
        var pulled = await client.PullAsync();
        await client.AckAsync(pulled.Take(1));
        _fullFor = ".acks";
        (await StatusOf(() => AckAsync(client, pulled.Skip(1)))).ShouldBe(StatusCode.ResourceExhausted);
        _fullFor = null;
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["2", "3"]);
    }

    // What a restart at this moment finds.
    private async Task ShouldHoldAsync(params string[] texts)
    {
        using var copy = _folder.Snapshot();
        await using var after = await BrokerClient.StartAsync(copy.Path);
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(texts);
    }

    private async Task<BrokerClient> StartAsync(Action<Subscription>? settings = null)
    {
        var client = await BrokerClient.StartAsync(_folder.Path, o => o with
        {
            Files = new BrokerFiles((path, _) =>
            {
                if (_fullFor is { } ending && path.Replace(".new", "", StringComparison.Ordinal).EndsWith(ending, StringComparison.Ordinal))
                {
                    throw new IOException("No space left on device");
                }
            }),
        });
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/dead" });
        var subscription = new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, AckDeadlineSeconds = 10 };
        settings?.Invoke(subscription);
        await client.Subscriber.CreateSubscriptionAsync(subscription);
        return client;
    }

    private static async Task<bool> AckAsync(BrokerClient client, IEnumerable<ReceivedMessage> messages)
    {
        await client.AckAsync(messages);
        return true;
    }
}
