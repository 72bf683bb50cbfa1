using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Ordering keys with many more messages than the others.</summary>
public sealed class HotKeyTests : IDisposable
{
    private const string Topic = "projects/p/topics/orders";
    private const string Name = "projects/p/subscriptions/orders-sub";

    private readonly BrokerState _state = BrokerState.Open(new EmbeddedBrokerOptions { InMemory = true }.Effective, NullLogger.Instance);

    public HotKeyTests()
    {
        _state.CreateTopic(Topic, new TopicSettings());
        _state.CreateSubscription(Name, Topic, new SubscriptionSettings { EnableMessageOrdering = true });
    }

    private BrokerSubscription Subscription => _state.Subscription(Name);

    public void Dispose() => _state.Dispose();

    [Fact]
    public void A_stream_gets_more_messages_of_a_key_while_earlier_ones_are_outstanding_with_it()
    {
        Publish("hot", 3_000);
        var stream = new PullConsumer(long.MaxValue, long.MaxValue) { ClientId = "" };
        var other = new PullConsumer(long.MaxValue, long.MaxValue) { ClientId = "" };

        var first = Take(stream);
        Take(other).ShouldBeEmpty();
        var second = Take(stream);

        first.Count.ShouldBe(1_000);
        second.Count.ShouldBe(1_000);
        Ids([.. first, .. second]).ShouldBeInOrder();
        Subscription.CheckStates()[MessageState.Leased].ShouldBe(2_000);
    }

    [Fact]
    public void A_pull_gets_no_message_of_a_key_while_those_of_another_pull_are_outstanding()
    {
        Publish("hot", 2_000);

        Take(Pull()).Count.ShouldBe(1_000);
        Take(Pull()).ShouldBeEmpty();
    }

    [Fact]
    public void A_key_with_more_waiting_messages_than_are_kept_does_not_stop_the_others()
    {
        Publish("hot", 1);
        Take(Pull()).Count.ShouldBe(1);
        Publish("hot", 150_000);
        Publish("cold", 1);

        var consumer = Pull();
        var found = new List<ReceivedMessage>();
        for (var response = 0; response < 30 && found.Count == 0; response++)
        {
            found = Take(consumer);
        }

        found.ShouldHaveSingleItem().Message.OrderingKey.ShouldBe("cold");
    }

    [Fact]
    public void Waiting_messages_that_were_not_kept_come_in_their_order()
    {
        Publish("hot", 1);
        var blocking = Take(Pull());
        for (var i = 0; i < 18; i++)
        {
            Publish("hot", 500);
            Publish($"cold{i}", 10);
        }

        var cold = Take(Pull());
        cold.Count.ShouldBe(180);
        Subscription.CheckStates()[MessageState.WaitsForKey].ShouldBe(9_000);
        Subscription.Acknowledge([.. blocking.Select(r => r.AckId)]);
        Subscription.Acknowledge([.. cold.Select(r => r.AckId)]);

        var all = new List<ReceivedMessage>();
        while (Take(Pull()) is { Count: > 0 } received)
        {
            all.AddRange(received);
            Subscription.CheckStates();
            Subscription.Acknowledge([.. received.Select(r => r.AckId)]);
        }

        all.Count.ShouldBe(9_000);
        Ids(all).ShouldBeInOrder();
        Subscription.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public void A_hot_key_does_not_starve_other_messages_of_a_stream()
    {
        Publish("hot", 5_000);
        var stream = new PullConsumer(long.MaxValue, long.MaxValue) { ClientId = "" };
        Take(stream);
        Publish("cold", 1);
        Publish("hot", 100_000);

        var responses = 0;
        while (Take(stream) is { Count: > 0 } received && received.All(r => r.Message.OrderingKey == "hot"))
        {
            responses++;
        }

        responses.ShouldBeLessThan(10);
    }

    private static PullConsumer Pull() => new(long.MaxValue, long.MaxValue);

    private static IEnumerable<long> Ids(IEnumerable<ReceivedMessage> received) => received.Select(r => long.Parse(r.Message.MessageId));

    private List<ReceivedMessage> Take(PullConsumer consumer)
    {
        var response = new RawPullResponse();
        Subscription.Take(consumer, 600, 1_000, int.MaxValue, response).ShouldBeTrue();
        return [.. PullResponse.Parser.ParseFrom(response.Bytes).ReceivedMessages];
    }

    private void Publish(string key, int count)
    {
        var message = new PubsubMessage { Data = ByteString.CopyFromUtf8("x"), OrderingKey = key };
        for (var left = count; left > 0; left -= 1_000)
        {
            using var messages = RawMessages.Of(Enumerable.Repeat(message, Math.Min(left, 1_000)));
            _state.Topic(Topic).Publish(messages);
        }
    }
}
