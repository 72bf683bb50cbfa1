using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Tests;

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

    protected override bool ServerNoticesCuts => false;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => Skip.If(
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EmulatorServer.Variable)),
        $"Start Google's Pub/Sub emulator and set {EmulatorServer.Variable} to its host:port to run this test.");
}
