using EcomStream.PubSub.Tests;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A publisher and a consumer with different project ids: the most common first mistake.</summary>
public sealed class ProjectMismatchTests : IDisposable
{
    private const string OtherTopic = "projects/other/topics/orders";

    private readonly LogLines _log = new();
    private readonly LoggerFactory _loggers;

    public ProjectMismatchTests() => _loggers = new LoggerFactory([_log]);

    private IEnumerable<string> Warnings => _log.Lines.Where(line => line.Contains("another project", StringComparison.Ordinal));

    public void Dispose() => _loggers.Dispose();

    [Fact]
    public async Task Messages_for_a_topic_without_subscriptions_are_reported_once_where_the_topic_of_another_project_is_read()
    {
        await using var client = await StartAsync();
        await client.Publisher.CreateTopicAsync(new Topic { Name = OtherTopic });
        using var stream = await ReadAsync(client);
        client.Broker.AdvanceTime(TimeSpan.FromSeconds(11));
        Warnings.ShouldBeEmpty();

        await PublishToOtherAsync(client);
        client.Broker.AdvanceTime(TimeSpan.FromSeconds(11));
        await PublishToOtherAsync(client);
        client.Broker.AdvanceTime(TimeSpan.FromSeconds(11));

        var warning = Warnings.ShouldHaveSingleItem();
        warning.ShouldContain(OtherTopic);
        warning.ShouldContain(BrokerClient.Topic);
        warning.ShouldContain("PUBSUB_PROJECT_ID");
    }

    [Fact]
    public async Task Messages_that_nobody_pulls_are_reported_after_a_while()
    {
        await using var client = await StartAsync();
        await client.Publisher.CreateTopicAsync(new Topic { Name = OtherTopic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/other/subscriptions/orders-sub", Topic = OtherTopic });
        using var stream = await ReadAsync(client);
        await PublishToOtherAsync(client);
        client.Broker.AdvanceTime(TimeSpan.FromSeconds(1));
        Warnings.ShouldBeEmpty();

        client.Broker.AdvanceTime(TimeSpan.FromSeconds(11));

        Warnings.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Topics_of_the_same_id_that_are_both_read_or_both_not_read_are_not_reported()
    {
        await using var client = await StartAsync();
        await client.Publisher.CreateTopicAsync(new Topic { Name = OtherTopic });
        await client.PublishAsync("waits");
        await PublishToOtherAsync(client);

        client.Broker.AdvanceTime(TimeSpan.FromSeconds(30));

        Warnings.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_topic_or_subscription_that_exists_in_another_project_only_is_named()
    {
        await using var client = await StartAsync();

        var publish = await Should.ThrowAsync<RpcException>(() => PublishToOtherAsync(client));
        publish.StatusCode.ShouldBe(StatusCode.NotFound);
        publish.Status.Detail.ShouldContain($"{OtherTopic} does not exist. {BrokerClient.Topic} exists");

        var pull = await Should.ThrowAsync<RpcException>(
            async () => await client.Subscriber.PullAsync(new PullRequest { Subscription = "projects/other/subscriptions/orders-sub", MaxMessages = 1 }));
        pull.Status.Detail.ShouldContain($"{BrokerClient.Subscription} exists");

        (await Should.ThrowAsync<RpcException>(async () => await client.Publisher.GetTopicAsync(new GetTopicRequest { Topic = "projects/p/topics/none" })))
            .Status.Detail.ShouldEndWith("does not exist.");
    }

    private Task<BrokerClient> StartAsync() => BrokerClient.StartReadyAsync("", o => o with { InMemory = true, LoggerFactory = _loggers });

    // A stream that has got its first message.
    private static async Task<AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>> ReadAsync(BrokerClient client)
    {
        var stream = await client.StreamAsync();
        await client.PublishAsync("read");
        (await stream.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        return stream;
    }

    private static async Task PublishToOtherAsync(BrokerClient client) => await client.Publisher.PublishAsync(
        new PublishRequest { Topic = OtherTopic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8("stray") } } });
}
