namespace EcomStream.PubSub.Tests;

public sealed class EmbeddedBrokerContractTests : PubSubContract
{
    protected override bool ServerKeepsFlowControl => true;

    protected override bool ServerFinishesItsResponse => true;

    protected override int MostCuts => int.MaxValue;

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

public sealed class EmulatorContractTests : PubSubContract
{
    protected override bool ServerKeepsFlowControl => false;

    protected override bool ServerFinishesItsResponse => true;

    // It goes on handing messages to streams whose connection was cut; each comes back only when its deadline has passed.
    protected override int MostCuts => 2;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => Skip.If(
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EmulatorServer.Variable)),
        $"Start Google's Pub/Sub emulator and set {EmulatorServer.Variable} to its host:port to run this test.");
}
