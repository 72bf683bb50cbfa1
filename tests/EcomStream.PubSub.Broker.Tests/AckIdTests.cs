using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Ack ids belong to one subscription, and what nobody was given does no harm.</summary>
public sealed class AckIdTests : IDisposable
{
    private const string Second = "projects/p/subscriptions/second";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_ack_id_of_another_subscription_is_INVALID_ARGUMENT_and_acks_nothing()
    {
        await using var client = await StartAsync();
        await client.PublishAsync("1", "2");
        var ids = (await client.PullAsync()).Select(m => m.AckId).ToList();

        var ack = await Should.ThrowAsync<RpcException>(async () => await client.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = Second, AckIds = { ids } }));
        ack.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        ack.Status.Detail.ShouldContain(BrokerClient.Subscription);
        ack.Status.Detail.ShouldContain(Second);
        (await StatusOf(client.Subscriber.ModifyAckDeadlineAsync(new ModifyAckDeadlineRequest { Subscription = Second, AckIds = { ids }, AckDeadlineSeconds = 10 })))
            .ShouldBe(StatusCode.InvalidArgument);

        Backlog(client, Second).ShouldBe(2);
        Backlog(client, BrokerClient.Subscription).ShouldBe(2);
        await client.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = BrokerClient.Subscription, AckIds = { ids } });
        Backlog(client, BrokerClient.Subscription).ShouldBe(0);
        Backlog(client, Second).ShouldBe(2);
    }

    [Fact]
    public async Task On_a_stream_an_ack_id_of_another_subscription_ends_the_stream_with_INVALID_ARGUMENT()
    {
        await using var client = await StartAsync();
        await client.PublishAsync("1");
        var id = (await client.PullAsync()).Single().AckId;
        using var stream = client.Subscriber.StreamingPull();
        await BrokerClient.OpenAsync(stream, new StreamingPullRequest { Subscription = Second, StreamAckDeadlineSeconds = 10, AckIds = { id } });

        (await StatusOf(stream)).ShouldBe(StatusCode.InvalidArgument);
        Backlog(client, Second).ShouldBe(1);
    }

    [Fact]
    public async Task With_exactly_once_delivery_an_ack_id_of_another_subscription_fails_for_good()
    {
        await using var client = await StartAsync(exactlyOnce: true);
        await client.PublishAsync("1");
        var id = (await client.PullAsync()).Single().AckId;

        var refused = await Should.ThrowAsync<RpcException>(async () => await client.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = Second, AckIds = { id } }));
        refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Metadata[id].ShouldBe("PERMANENT_FAILURE_INVALID_ACK_ID");
        Backlog(client, Second).ShouldBe(1);
    }

    [Fact]
    public async Task Invented_ack_ids_ack_nothing_and_late_ones_do()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Time = time, Fsync = FsyncPolicy.Never });
        await client.PublishManyAsync(1_000);
        var pulled = await client.PullAsync();
        time.Advance(TimeSpan.FromSeconds(11));
        var invented = pulled.Select(m => m.AckId.Split('-')).Select(part => $"{part[0]}-{long.Parse(part[1], System.Globalization.NumberStyles.HexNumber) + 7:x}-{part[2]}");
        await client.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = BrokerClient.Subscription, AckIds = { invented.Append("9999999999-1-2") } });
        client.Stats.Backlog.ShouldBe(1_000);

        await client.AckAsync(pulled);
        client.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task A_client_that_does_not_read_its_confirmations_is_not_read_from()
    {
        await using var client = await StartAsync(exactlyOnce: true);
        using var stream = client.Subscriber.StreamingPull();
        await BrokerClient.OpenAsync(stream, new StreamingPullRequest { Subscription = Second, StreamAckDeadlineSeconds = 10 });
        await stream.ResponseHeadersAsync;
        var request = new StreamingPullRequest();
        request.AckIds.AddRange(Enumerable.Range(0, 10_000).Select(i => $"{i}-5f5e100000000-2-123456789"));
        var size = request.CalculateSize();
        var sent = 0L;
        while (sent < 400L << 20)
        {
            var write = stream.RequestStream.WriteAsync(request);
            if (await Task.WhenAny(write, Task.Delay(TimeSpan.FromSeconds(3))) != write)
            {
                break;
            }

            await write;
            sent += size;
        }

        // The windows of HTTP/2 and the answers that wait.
        sent.ShouldBeLessThan(200L << 20);
        await client.PublishAsync("the broker goes on");
    }

    [Fact]
    public async Task Large_dead_letters_are_forwarded_a_few_at_a_time()
    {
        using var state = BrokerState.Open(new EmbeddedBrokerOptions { DataDirectory = _folder.Path }, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        state.CreateTopic("projects/p/topics/dead", new TopicSettings());
        state.CreateTopic(BrokerClient.Topic, new TopicSettings());
        var subscription = state.CreateSubscription(
            BrokerClient.Subscription, BrokerClient.Topic, new SubscriptionSettings { DeadLetter = new DeadLetterSettings("projects/p/topics/dead", 5) });
        for (var i = 0; i < 5; i++)
        {
            using var messages = Storage.RawMessages.Of([new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFrom(new byte[3 << 20]) }]);
            state.Topic(BrokerClient.Topic).Publish(messages);
        }

        for (var attempt = 0; attempt < 5; attempt++)
        {
            var response = new RawPullResponse();
            subscription.Take(new PullConsumer(long.MaxValue, long.MaxValue), 10, 1_000, int.MaxValue, response).ShouldBeTrue();
            subscription.ModifyAckDeadline([.. PullResponse.Parser.ParseFrom(response.Bytes).ReceivedMessages.Select(m => m.AckId)], _ => 0);
        }

        subscription.Undeliverable.Read(100, 4 << 20).Count.ShouldBe(1);
        subscription.Undeliverable.Read(100, 7 << 20).Count.ShouldBe(2);
        new DeadLetterForwarder(state, new EmbeddedBrokerOptions { DataDirectory = _folder.Path }, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance).Forward(subscription);
        state.Topic("projects/p/topics/dead").Log.EndOffset.ShouldBe(5);
        subscription.Stats.Backlog.ShouldBe(0);
    }

    private async Task<BrokerClient> StartAsync(bool exactlyOnce = false)
    {
        var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = Second, Topic = BrokerClient.Topic, EnableExactlyOnceDelivery = exactlyOnce });
        return client;
    }

    private static long Backlog(BrokerClient client, string subscription) => client.Broker.GetSubscriptionStats(subscription)!.Value.Backlog;
}
