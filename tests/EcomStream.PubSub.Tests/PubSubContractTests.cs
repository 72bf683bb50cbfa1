namespace EcomStream.PubSub.Tests;

public sealed class EmbeddedBrokerContractTests : PubSubContract
{
    protected override bool ServerKeepsFlowControl => true;

    protected override bool ServerNoticesCuts => true;

    protected override bool ProbeTellsRetryPolicy => false;

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

public sealed class EmulatorContractTests : PubSubContract
{
    protected override bool ServerKeepsFlowControl => false;

    protected override bool ServerNoticesCuts => false;

    protected override bool ServerKnowsPermissions => false;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => EmulatorServer.SkipWhereItIsNot();
}
