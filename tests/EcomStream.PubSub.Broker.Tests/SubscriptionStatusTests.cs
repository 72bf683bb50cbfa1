using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using GetSubscriptionStatusRequest = EcomStream.Broker.V1.GetSubscriptionStatusRequest;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What the broker reports about the backlog and the leases of a subscription, in process and over gRPC.</summary>
public sealed class SubscriptionStatusTests : IDisposable
{
    private const long Second = 1_000_000;

    private readonly TemporaryFolder _folder = new();
    // Not a whole millisecond, which is never a publish time.
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero).AddMicroseconds(1));

    private long NowMicros => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_subscription_without_messages_has_no_backlog_and_no_leases()
    {
        await using var client = await StartAsync();

        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(0, 0, 0, 0, NowMicros));
    }

    [Fact]
    public async Task The_status_follows_publishing_leasing_extending_and_acking()
    {
        await using var client = await StartAsync();
        var first = NowMicros;
        await client.PublishAsync("1", "2", "3");
        _time.Advance(TimeSpan.FromSeconds(5));
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(3, first, 0, 0, NowMicros));

        var pulled = await client.PullAsync(max: 2);
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(3, first, 2, NowMicros + (10 * Second), NowMicros));

        await client.ModifyAsync(pulled.Take(1), seconds: 60);
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(3, first, 2, NowMicros + (60 * Second), NowMicros));

        await client.AckAsync(pulled.Take(1));
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(2, first + 1, 1, NowMicros + (10 * Second), NowMicros));

        await client.ModifyAsync(pulled.Skip(1), seconds: 0);
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(2, first + 1, 0, 0, NowMicros));

        await client.AckAsync(await client.PullAsync());
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(0, 0, 0, 0, NowMicros));
    }

    [Fact]
    public async Task An_ack_out_of_order_leaves_the_oldest_message_the_oldest()
    {
        await using var client = await StartAsync();
        var first = NowMicros;
        await client.PublishAsync("1", "2", "3");
        var pulled = await client.PullAsync();
        await client.AckAsync(pulled.Skip(1));

        // The messages of one publish have publish times of their own, one microsecond apart.
        _time.Advance(TimeSpan.FromMilliseconds(1));
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(1, first, 1, first + (10 * Second), NowMicros));
    }

    [Fact]
    public async Task The_leases_of_a_reader_that_is_gone_count_until_they_expire()
    {
        await using var client = await StartAsync();
        var first = NowMicros;
        await client.PublishAsync("1");
        using (var stream = await client.StreamAsync(seconds: 30))
        {
            (await stream.ResponseStream.MoveNext(default)).ShouldBeTrue();
        }

        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(1, first, 1, first + (30 * Second), NowMicros));
        _time.Advance(TimeSpan.FromSeconds(31));
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(1, first, 0, 0, NowMicros));
    }

    [Fact]
    public async Task Messages_that_the_filter_rejects_are_not_counted_though_nobody_has_pulled()
    {
        await using var client = await StartAsync(subscription => subscription.Filter = "attributes.keep = \"yes\"");
        for (var i = 0; i < 30; i++)
        {
            await PublishAsync(client, [.. Enumerable.Range(0, 1_000).Select(_ => Message("no"))]);
        }

        await PublishAsync(client, Message("no"), Message("yes"), Message("no"), Message("yes"));
        var status = await StatusAsync(client);

        status.UnackedMessages.ShouldBe(2);
        var pulled = await client.PullAsync();
        pulled.Count.ShouldBe(2);
        status.OldestUnackedPublishTimeMicros.ShouldBe(Micros(pulled[0]));
        await client.AckAsync(pulled);
        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(0, 0, 0, 0, status.NowMicros));
    }

    [Fact]
    public async Task A_seek_back_makes_acked_messages_unacked_again_but_not_those_that_the_filter_rejects()
    {
        await using var client = await StartAsync(s => (s.Filter, s.RetainAckedMessages) = ("attributes.keep = \"yes\"", true));
        var start = _time.GetUtcNow();
        await PublishAsync(client, Message("no"), Message("yes"), Message("no"));
        await client.AckAsync(await client.PullAsync());
        await client.Subscriber.SeekAsync(new SeekRequest
        {
            Subscription = BrokerClient.Subscription,
            Time = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(start.AddSeconds(-1)),
        });

        (await StatusAsync(client)).ShouldBe(new SubscriptionBacklog(1, NowMicros + 1, 0, 0, (await StatusAsync(client)).NowMicros));
    }

    [Fact]
    public async Task A_message_published_after_a_status_has_a_later_publish_time_even_when_the_clock_stands_still()
    {
        await using var client = await StartAsync();
        for (var i = 0; i < 3; i++)
        {
            var before = await StatusAsync(client);
            await client.PublishAsync($"{i}");
            Micros((await client.PullAsync()).ShouldHaveSingleItem()).ShouldBeGreaterThan(before.NowMicros);
        }
    }

    [Fact]
    public async Task Readers_are_told_apart_by_their_client_id_and_a_pull_is_none()
    {
        await using var client = await StartAsync();
        var streams = new List<AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>>();
        foreach (var clientId in new[] { "a", "a", "b", "", "" })
        {
            var stream = client.Subscriber.StreamingPull();
            await stream.RequestStream.WriteAsync(new StreamingPullRequest
            {
                Subscription = BrokerClient.Subscription, StreamAckDeadlineSeconds = 10, ClientId = clientId,
            });
            await stream.ResponseHeadersAsync;
            streams.Add(stream);
        }

        using var pull = client.Subscriber.PullAsync(new PullRequest { Subscription = BrokerClient.Subscription, MaxMessages = 1 });
        await Eventually.True(async () => await ReadersAsync(client) == 4, "a, b and two without an id read");
        var requests = client.Broker.GetSubscriptionStatus(BrokerClient.Subscription)!.Value.ReaderRequests;
        await streams[0].RequestStream.WriteAsync(new StreamingPullRequest());
        await Eventually.True(
            () => client.Broker.GetSubscriptionStatus(BrokerClient.Subscription)!.Value.ReaderRequests == requests + 1, "the keep-alive is counted");
        streams.ForEach(stream => stream.Dispose());
        await Eventually.True(async () => await ReadersAsync(client) == 0, "the streams have ended");
    }

    [Fact]
    public async Task A_subscription_that_does_not_exist_has_no_status()
    {
        await using var client = await StartAsync();
        var request = new GetSubscriptionStatusRequest { Subscription = "projects/p/subscriptions/missing" };

        (await StatusOf(client.Inspection.GetSubscriptionStatusAsync(request))).ShouldBe(StatusCode.NotFound);
        client.Broker.GetSubscriptionStatus(request.Subscription).ShouldBeNull();
    }

    private async Task<BrokerClient> StartAsync(Action<Subscription>? change = null)
    {
        var client = await BrokerClient.StartAsync(_folder.Path, options => options with { Time = _time });
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        var subscription = new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, AckDeadlineSeconds = 10 };
        change?.Invoke(subscription);
        await client.Subscriber.CreateSubscriptionAsync(subscription);
        return client;
    }

    // The status over gRPC, which must be the one that the broker gives in process. Without the readers: a stream ends at some
    // time after its client has closed it.
    private static async Task<SubscriptionBacklog> StatusAsync(BrokerClient client)
    {
        var remote = await client.Inspection.GetSubscriptionStatusAsync(new GetSubscriptionStatusRequest { Subscription = BrokerClient.Subscription });
        var status = new SubscriptionBacklog(
            remote.UnackedMessages, remote.OldestUnackedPublishTimeMicros, remote.LeasedMessages, remote.LatestLeaseExpiryMicros, remote.NowMicros);
        (client.Broker.GetSubscriptionStatus(BrokerClient.Subscription)!.Value with { Readers = 0, ReaderRequests = 0 }).ShouldBe(status);
        return status;
    }

    private static async Task<long> ReadersAsync(BrokerClient client) =>
        (await client.Inspection.GetSubscriptionStatusAsync(new GetSubscriptionStatusRequest { Subscription = BrokerClient.Subscription })).Readers;

    private static async Task PublishAsync(BrokerClient client, params PubsubMessage[] messages) =>
        await client.Publisher.PublishAsync(new PublishRequest { Topic = BrokerClient.Topic, Messages = { messages } });

    private static PubsubMessage Message(string keep) => new() { Data = ByteString.CopyFromUtf8("x"), Attributes = { ["keep"] = keep } };

    private static long Micros(ReceivedMessage message) =>
        (message.Message.PublishTime.Seconds * Second) + (message.Message.PublishTime.Nanos / 1_000);
}
