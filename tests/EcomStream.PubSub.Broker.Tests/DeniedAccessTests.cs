using Google.Cloud.PubSub.V1;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>
/// A file that the broker may not create is refused as by a full disk. A folder of the file's name stands for missing
/// permissions: .NET reports both as UnauthorizedAccessException, and it also works for root.
/// </summary>
public sealed class DeniedAccessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Publishes_are_refused_with_RESOURCE_EXHAUSTED_until_the_log_can_be_created()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var log = Path.Combine(_folder.Path, "topics", "1", $"{0:d20}.log");
        Directory.CreateDirectory(log);

        (await StatusOf(() => client.PublishAsync("refused"))).ShouldBe(StatusCode.ResourceExhausted);

        Directory.Delete(log);
        await client.PublishAsync("accepted");
        File.Exists(log).ShouldBeTrue();
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["accepted"]);
    }

    [Fact]
    public async Task Acks_are_refused_with_RESOURCE_EXHAUSTED_until_their_file_can_be_created()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishAsync("a");
        var pulled = await client.PullAsync();
        var acks = Path.Combine(_folder.Path, "subscriptions", "2.acks");
        Directory.CreateDirectory(acks);

        (await StatusOf(() => AckAsync(client, pulled))).ShouldBe(StatusCode.ResourceExhausted);

        Directory.Delete(acks);
        await client.AckAsync(pulled);
        File.Exists(acks).ShouldBeTrue();
        client.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task Messages_that_the_filter_rejects_do_not_stop_a_pull_when_their_acks_cannot_be_written()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Subscriber.CreateSubscriptionAsync(
            new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, Filter = "attributes:wanted" });
        Directory.CreateDirectory(Path.Combine(_folder.Path, "subscriptions", "2.acks"));
        await client.PublishAsync("rejected");
        await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic, Messages = { new PubsubMessage { Attributes = { ["wanted"] = "yes" }, Data = Google.Protobuf.ByteString.CopyFromUtf8("a") } },
        });

        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["a"]);
    }

    [Fact]
    public async Task A_marker_that_cannot_be_written_stops_nothing()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Fsync = FsyncPolicy.Always });
        Directory.CreateDirectory(Path.Combine(_folder.Path, "topics", "1", "synced"));
        Directory.CreateDirectory(Path.Combine(_folder.Path, "subscriptions", "2.acks.synced"));

        await client.PublishAsync("a");
        await client.AckAsync(await client.PullAsync());

        client.Stats.Backlog.ShouldBe(0);
    }

    private static async Task<bool> AckAsync(BrokerClient client, IEnumerable<ReceivedMessage> messages)
    {
        await client.AckAsync(messages);
        return true;
    }
}
