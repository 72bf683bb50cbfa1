using System.Collections.Concurrent;
using System.Diagnostics;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Tests;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;

namespace EcomStream.GoogleCloud.Tests;

/// <summary>What the client promises, over Google.Cloud.PubSub.V1.</summary>
public abstract class GoogleCloudContract : PubSubContract
{
    // The callbacks of messages without an ordering key run side by side.
    protected override bool ClientKeepsOrder => false;

    // The client doubles its delay from 0.5 s to 30 s, whatever the settings.
    protected override TimeSpan LongestRecovery => TimeSpan.FromSeconds(35);

    protected override bool ClientClosesStalledStreams => false;

    protected override bool ClientCountsTheLastMessage => false;

    protected override ISubscription Subscribe(PubSubConnection connection, string name) => new GoogleCloudSubscription(connection, name);

    protected override IPublisher CreatePublisher(PubSubConnection connection) => new GoogleCloudPublisher(connection);
}

// Not beside each other: one of their tests measures the memory of the process.
[Collection(nameof(GoogleCloudContract))]
public sealed class GoogleCloudOnBrokerTests : GoogleCloudContract
{
    protected override bool ServerKeepsFlowControl => true;

    protected override bool ServerNoticesCuts => true;

    protected override bool ProbeTellsRetryPolicy => false;

    [Fact]
    public async Task With_exactly_once_delivery_the_ack_of_a_message_that_was_given_to_another_is_refused()
    {
        const string Name = "exactly-once-sub";
        using var connection = Connect();
        await new PubSubAdmin(connection).EnsureSubscriptionAsync(
            new SubscriptionPlan { Topic = "orders_data", Subscription = Name, AckDeadline = TimeSpan.FromSeconds(60), ExactlyOnce = true }, default);
        await using var publisher = CreatePublisher(connection);
        await publisher.PublishAsync("orders_data", [new OutgoingMessage(new byte[1], Delivery.NoAttributes)], default);
        await using var subscription = Subscribe(connection, Name);
        var refusals = new ConcurrentQueue<RefusedAcks>();
        subscription.AcksRefused += refusals.Enqueue;
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "it arrives");
        var first = (GoogleCloudDelivery)receiver.Deliveries[0];

        await connection.Subscriber.ModifyAckDeadlineAsync(
            new ModifyAckDeadlineRequest { Subscription = connection.Settings.SubscriptionName(Name), AckIds = { first.AckId } });
        await Eventually.True(() => receiver.Count == 2, "it comes again");

        (await first.AckAsync().WaitAsync(TimeSpan.FromSeconds(20))).ShouldBe(AckResult.Refused);
        (await receiver.Deliveries[1].AckAsync().WaitAsync(TimeSpan.FromSeconds(20))).ShouldBe(AckResult.Accepted);
        refusals.ShouldHaveSingleItem().Deliveries.ShouldHaveSingleItem().ShouldBeSameAs(first);
    }

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

/// <summary>The same with exactly-once delivery.</summary>
public abstract class GoogleCloudExactlyOnceContract : ExactlyOnceContract
{
    protected override bool ClientLogsExactlyOnce => false;

    protected override ISubscription Subscribe(PubSubConnection connection) => new GoogleCloudSubscription(connection, SubscriptionName);
}

[Collection(nameof(GoogleCloudContract))]
public sealed class GoogleCloudExactlyOnceOnBrokerTests : GoogleCloudExactlyOnceContract
{
    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

[Collection(nameof(GoogleCloudContract))]
public sealed class GoogleCloudExactlyOnceOnEmulatorTests : GoogleCloudExactlyOnceContract
{
    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => EmulatorServer.SkipWhereItIsNot();
}

[Collection(nameof(GoogleCloudContract))]
public sealed class GoogleCloudOnEmulatorTests : GoogleCloudContract
{
    protected override bool ServerKeepsFlowControl => false;

    protected override bool ServerKnowsPermissions => false;

    protected override bool ServerNoticesCuts => false;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    // The client pings after 30 s, and restarts a stream that is not answered within 15 s.
    [SkippableFact]
    public async Task A_quiet_stream_is_not_restarted_although_the_emulator_does_not_answer_keep_alives()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var subscription = Subscribe(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        await Eventually.True(() => subscription.Status.IsReading, "the stream is open");

        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(50); await Task.Delay(TimeSpan.FromSeconds(1)))
        {
            (subscription.Status.IsReading, subscription.Status.StreamsOpened).ShouldBe((true, 1));
        }

        await using var publisher = CreatePublisher(connection);
        await publisher.PublishAsync("orders_data", [new OutgoingMessage(new byte[1], Delivery.NoAttributes)], default);
        await Eventually.True(() => receiver.Count == 1, "a message arrives on it");
    }

    protected override void SkipWithoutServer() => EmulatorServer.SkipWhereItIsNot();
}
