using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>
/// A power cut can lose the journal entry of a topic or a subscription and leave its files. A new topic or subscription with
/// the same number starts without them.
/// </summary>
public sealed class LeftoverFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private volatile string? _refused;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_new_subscription_does_not_adopt_the_acks_of_a_lost_one(bool isDamaged)
    {
        var acks = await AcksOfFiveMessagesAsync();
        await using (var client = await BrokerClient.StartAsync(_folder.Path))
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
            await File.WriteAllBytesAsync(AckPath, isDamaged ? [1, .. acks] : acks);
            await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic });
            await client.PublishManyAsync(5);
        }

        await using var after = await BrokerClient.StartAsync(_folder.Path);
        after.Stats.Backlog.ShouldBe(5);
        (await after.PullAsync()).Count.ShouldBe(5);
    }

    [Fact]
    public async Task A_new_subscription_does_not_adopt_the_sync_marker_of_a_lost_one()
    {
        await using (var client = await BrokerClient.StartAsync(_folder.Path))
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
            await File.WriteAllBytesAsync(AckPath + ".synced", new byte[20]);
            await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic });
        }

        await using var after = await BrokerClient.StartAsync(_folder.Path);
        after.Stats.Backlog.ShouldBe(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_new_topic_does_not_adopt_the_messages_of_a_lost_one(bool isDamaged)
    {
        var log = await LogOfFiveMessagesAsync();
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        Directory.CreateDirectory(TopicFolder);
        if (isDamaged)
        {
            log[log.Length / 2] ^= 0x10;
        }

        await File.WriteAllBytesAsync(Path.Combine(TopicFolder, $"{0:d20}.log"), log);

        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic, MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromDays(1)) });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic });
        await client.PublishAsync("new");

        // The broker's clock is that of the system.
        await client.Subscriber.SeekAsync(new SeekRequest { Subscription = BrokerClient.Subscription, Time = Timestamp.FromDateTime(DateTime.UtcNow.AddHours(-1)) });

        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["new"]);
    }

    [Fact]
    public async Task Numbers_whose_leftover_files_cannot_be_deleted_are_skipped()
    {
        await using (var client = await BrokerClient.StartAsync(_folder.Path, o => o with { Files = new BrokerFiles(Refuse) }))
        {
            Directory.CreateDirectory(TopicFolder);
            _refused = TopicFolder;
            await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });

            // The topic has number 2, and the subscription would have 3.
            var acks = Path.Combine(_folder.Path, "subscriptions", "3.acks");
            await File.WriteAllBytesAsync(acks, [1]);
            _refused = acks;
            await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic });
            await client.PublishAsync("acked");
            await client.AckAsync(await client.PullAsync());
            Directory.Exists(TopicFolder).ShouldBeTrue();
            File.Exists(acks).ShouldBeTrue();
            File.Exists(Path.Combine(_folder.Path, "subscriptions", "4.acks")).ShouldBeTrue();
        }

        await using var after = await BrokerClient.StartAsync(_folder.Path);
        after.Stats.Backlog.ShouldBe(0);
        Directory.Exists(TopicFolder).ShouldBeFalse();
    }

    private string AckPath => Path.Combine(_folder.Path, "subscriptions", "2.acks");

    private string TopicFolder => Path.Combine(_folder.Path, "topics", "1");

    private void Refuse(string path, long bytes)
    {
        if (path == _refused)
        {
            throw new IOException("The file cannot be deleted.");
        }
    }

    private static async Task<byte[]> AcksOfFiveMessagesAsync()
    {
        using var other = new TemporaryFolder();
        await using (var client = await BrokerClient.StartReadyAsync(other.Path))
        {
            await client.PublishManyAsync(5);
            await client.AckAsync(await client.PullAsync());
        }

        return await File.ReadAllBytesAsync(Path.Combine(other.Path, "subscriptions", "2.acks"));
    }

    private static async Task<byte[]> LogOfFiveMessagesAsync()
    {
        using var other = new TemporaryFolder();
        await using (var client = await BrokerClient.StartReadyAsync(other.Path))
        {
            await client.PublishManyAsync(5);
        }

        return await File.ReadAllBytesAsync(Path.Combine(other.Path, "topics", "1", $"{0:d20}.log"));
    }
}
