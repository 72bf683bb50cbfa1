using System.Diagnostics;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Tests;
using EcomStream.TestSupport;

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

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
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

    protected override void SkipWithoutServer() => Skip.If(
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EmulatorServer.Variable)),
        $"Start Google's Pub/Sub emulator and set {EmulatorServer.Variable} to its host:port to run this test.");
}
