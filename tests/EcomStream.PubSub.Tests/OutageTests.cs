using System.Diagnostics;
using System.Text;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.PubSub.Tests;

/// <summary>The broker goes away and comes back on the same port with the same files.</summary>
public sealed class OutageTests : IAsyncLifetime
{
    private const string Topic = "orders_data";
    private const string SubscriptionName = "orders_data-sub";

    private EmbeddedServer _server = null!;
    private PubSubConnection _connection = null!;

    public async Task InitializeAsync()
    {
        _server = await EmbeddedServer.StartAsync();
        _connection = PubSubConnection.Create(TestSettings.Of(_server.Endpoint));
        var admin = new PubSubAdmin(_connection);
        await admin.EnsureTopicAsync(Topic, default);
        await admin.EnsureSubscriptionAsync(SubscriptionName, Topic, default);
    }

    public async Task DisposeAsync()
    {
        _connection.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_subscription_recovers_from_a_restart_of_the_broker_and_everything_arrives()
    {
        await using var subscription = new PubSubSubscription(_connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        await PublishAsync("before", 100);
        await Eventually.True(() => receiver.Count >= 100, "what was published before arrives");

        await _server.StopAsync();
        await Eventually.True(() => !subscription.Status.IsReading, "the status says that nothing is read");
        await _server.StartAgainAsync();
        await PublishAsync("after", 100);

        await Eventually.True(() => receiver.Texts.Distinct().Count() == 200, "what was published after arrives");
        await Eventually.True(() => subscription.Status is { IsReading: true, OutstandingMessages: 0 }, "all is acked");
    }

    [Fact]
    public async Task Acks_that_are_asked_for_during_an_outage_arrive_after_it()
    {
        await using (var subscription = new PubSubSubscription(_connection, SubscriptionName))
        {
            // What the broker delivers again after its restart, before the acks arrive, is acked too.
            var isOut = false;
            await using var receiver = new Receiver(subscription, delivery =>
            {
                if (Volatile.Read(ref isOut))
                {
                    delivery.Ack();
                }
            });
            await PublishAsync("message", 50);
            await Eventually.True(() => receiver.Count == 50, "all arrive");

            await _server.StopAsync();
            Volatile.Write(ref isOut, true);
            foreach (var delivery in receiver.Deliveries)
            {
                delivery.Ack();
            }

            var flushed = subscription.FlushAsync(default);
            await Eventually.True(() => !subscription.Status.IsReading, "the outage is seen");
            flushed.IsCompleted.ShouldBeFalse();
            subscription.Status.OutstandingMessages.ShouldBe(50);

            await _server.StartAgainAsync();
            await Eventually.True(() => flushed.IsCompletedSuccessfully, "the acks arrive");
            await Eventually.True(() => subscription.Status.OutstandingMessages == 0, "nothing is left open");
        }

        await using var next = new PubSubSubscription(_connection, SubscriptionName);
        await using var last = new Receiver(next, delivery => delivery.Ack());
        await PublishAsync("last", 1);
        await Eventually.True(() => last.Count == 1, "the last message arrives");
        last.Texts.ShouldBe(["last 0"]);
    }

    [Fact]
    public async Task A_publisher_waits_for_the_broker_and_a_cancelled_one_gives_up()
    {
        await _server.StopAsync();
        using var patience = new CancellationTokenSource();
        var waiting = PublishAsync("patient", 10);
        var cancelled = PublishAsync("impatient", 10, patience.Token);

        await patience.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(cancelled);
        waiting.IsCompleted.ShouldBeFalse();

        await _server.StartAgainAsync();
        (await waiting.WaitAsync(TimeSpan.FromSeconds(20))).Count.ShouldBe(10);
    }

    [Fact]
    public async Task Disposing_without_a_broker_is_bounded_by_the_close_timeout()
    {
        using var connection = PubSubConnection.Create(
            TestSettings.Of(_server.Endpoint, hocon: "ecomstream.pubsub.subscriber.close-timeout = 300ms"));
        var subscription = new PubSubSubscription(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription);
        await PublishAsync("message", 10);
        await Eventually.True(() => receiver.Count == 10, "all arrive");
        await _server.StopAsync();

        var clock = Stopwatch.StartNew();
        receiver.Deliveries[0].Ack();
        await subscription.DisposeAsync();

        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(5));
        await _server.StartAgainAsync();
    }

    [Fact]
    public async Task A_subscription_that_is_opened_before_its_broker_waits_for_it()
    {
        await _server.StopAsync();
        await using var subscription = new PubSubSubscription(_connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        var publishing = PublishAsync("early", 10);

        await _server.StartAgainAsync();

        await publishing;
        await Eventually.True(() => receiver.Count >= 10, "all arrive");
    }

    private async Task<IReadOnlyList<string>> PublishAsync(string text, int count, CancellationToken cancellationToken = default)
    {
        await using var publisher = new PubSubPublisher(_connection);
        return await publisher.PublishAsync(
            Topic,
            [.. Enumerable.Range(0, count).Select(n => new OutgoingMessage(Encoding.UTF8.GetBytes($"{text} {n}"), Delivery.NoAttributes))],
            cancellationToken);
    }
}
