using EcomStream.PubSub.Broker.Storage;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>
/// A sync that fails once, as Linux reports an error once per open file: wherever it happens, nothing is confirmed after it
/// until the broker is started again.
/// </summary>
public sealed class FailedSyncTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private int _failuresLeft;
    private volatile string _failFor = "";

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(FsyncPolicy.Always)]
    [InlineData(FsyncPolicy.Interval)]
    [InlineData(FsyncPolicy.Never)]
    public async Task A_sync_that_fails_when_a_log_file_is_full_is_final(FsyncPolicy fsync)
    {
        await using (var client = await StartAsync(fsync, segmentBytes: 2_000))
        {
            await client.PublishAsync(new string('a', 1_900));
            FailNext(".log");
            (await StatusOf(() => client.PublishAsync(new string('b', 1_900)))).ShouldBe(StatusCode.ResourceExhausted);
            await Eventually.True(() => _failuresLeft == 0, "the sync has failed");
            (await StatusOf(() => client.PublishAsync("small"))).ShouldBe(StatusCode.ResourceExhausted);
            (await StatusOf(async () => { await client.AckAsync(await client.PullAsync()); return 0; })).ShouldBe(StatusCode.ResourceExhausted);
            (await StatusOf(client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/more" }))).ShouldBe(StatusCode.ResourceExhausted);
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path);
        await again.PublishAsync("after");
        (await again.PullAsync()).Select(BrokerClient.Text).ShouldContain("after");
    }

    [Fact]
    public async Task A_sync_that_fails_when_dead_letters_are_forwarded_is_final_and_loses_no_message()
    {
        const string Dead = "projects/p/topics/dead";
        await using (var client = await StartAsync(FsyncPolicy.Interval, segmentBytes: 64 << 20, TimeSpan.FromDays(1)))
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = Dead });
            await client.Subscriber.CreateSubscriptionAsync(new Subscription
            {
                Name = "projects/p/subscriptions/poor", Topic = BrokerClient.Topic, DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = Dead, MaxDeliveryAttempts = 5 },
            });
            await client.PublishAsync("bad");
            FailNext(".log");
            await Eventually.True(
                () =>
                {
                    var pulled = client.Subscriber.Pull(new PullRequest { Subscription = "projects/p/subscriptions/poor", MaxMessages = 1 }).ReceivedMessages;
                    client.Subscriber.ModifyAckDeadline(new ModifyAckDeadlineRequest { Subscription = "projects/p/subscriptions/poor", AckIds = { pulled.Select(m => m.AckId) } });
                    return _failuresLeft == 0;
                },
                "the dead letter is forwarded");
            client.Broker.GetSubscriptionStats("projects/p/subscriptions/poor")!.Value.Backlog.ShouldBe(1);
            (await StatusOf(() => client.PublishAsync("more"))).ShouldBe(StatusCode.ResourceExhausted);
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path);
        again.Broker.GetSubscriptionStats("projects/p/subscriptions/poor")!.Value.Backlog.ShouldBe(1);
    }

    [Fact]
    public async Task A_message_that_a_test_publishes_after_a_failed_sync_is_an_error_of_the_disk()
    {
        await using var client = await StartAsync(FsyncPolicy.Always, segmentBytes: 64 << 20);
        FailNext(".log");

        Should.Throw<IOException>(() => client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "lost"u8.ToArray() }));

        Should.Throw<IOException>(() => client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = "refused"u8.ToArray() }));
    }

    [Fact]
    public async Task Of_two_syncs_of_a_log_at_a_time_the_second_ends_after_the_first()
    {
        using var entered = new SemaphoreSlim(0);
        using var leave = new SemaphoreSlim(0);
        var files = new BrokerFiles(afterSync: (path, _) =>
        {
            if (path.EndsWith(".log", StringComparison.Ordinal))
            {
                entered.Release();
                leave.Wait(TimeSpan.FromSeconds(20)).ShouldBeTrue();
            }
        });
        using var log = TopicLog.Open(
            Path.Combine(_folder.Path, "topic"), new EmbeddedBrokerOptions { DataDirectory = _folder.Path, Files = files }, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        using (var messages = RawMessages.Of([new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFromUtf8("x") }]))
        {
            log.Append(messages);
        }

        var first = Task.Run(log.Sync);
        (await entered.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBeTrue();
        var second = Task.Run(log.Sync);
        (await Task.WhenAny(second, Task.Delay(TimeSpan.FromMilliseconds(200)))).ShouldNotBe(second, "the message is not synced yet");
        leave.Release();
        await first.WaitAsync(TimeSpan.FromSeconds(20));
        await second.WaitAsync(TimeSpan.FromSeconds(20));
    }

    private void FailNext(string ending)
    {
        _failuresLeft = 1;
        _failFor = ending;
    }

    private Task<BrokerClient> StartAsync(FsyncPolicy fsync, long segmentBytes, TimeSpan? interval = null) => BrokerClient.StartReadyAsync(_folder.Path, o => o with
    {
        Fsync = fsync,
        FsyncInterval = interval ?? TimeSpan.FromMilliseconds(50),
        SegmentBytes = segmentBytes,
        Files = new BrokerFiles(afterSync: (path, _) =>
        {
            if (_failFor.Length > 0 && path.EndsWith(_failFor, StringComparison.Ordinal) && Interlocked.Exchange(ref _failuresLeft, 0) == 1)
            {
                throw new IOException("Input/output error");
            }
        }),
    });
}
