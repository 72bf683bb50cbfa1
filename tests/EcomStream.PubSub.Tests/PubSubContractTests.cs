namespace EcomStream.PubSub.Tests;

public sealed class EmbeddedBrokerContractTests : BasicContract
{
    protected override bool ServerKeepsFlowControl => true;

    protected override bool ServerNoticesCuts => true;

    protected override bool ProbeTellsRetryPolicy => false;

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

public sealed class EmbeddedBrokerHoldingTests : HoldingContract
{
    protected override bool ServerKeepsFlowControl => true;

    protected override bool ServerNoticesCuts => true;

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

public sealed class EmbeddedBrokerBadConnectionTests : BadConnectionContract
{
    protected override bool ServerKeepsFlowControl => true;

    protected override bool ServerNoticesCuts => true;

    protected override async Task<IPubSubServer> StartServerAsync() => await EmbeddedServer.StartAsync();
}

public sealed class EmulatorContractTests : BasicContract
{
    protected override bool ServerKeepsFlowControl => false;

    protected override bool ServerNoticesCuts => false;

    protected override bool ServerKnowsPermissions => false;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => EmulatorServer.SkipWhereItIsNot();
}

public sealed class EmulatorHoldingTests : HoldingContract
{
    protected override bool ServerKeepsFlowControl => false;

    protected override bool ServerNoticesCuts => false;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => EmulatorServer.SkipWhereItIsNot();
}

public sealed class EmulatorBadConnectionTests : BadConnectionContract
{
    protected override bool ServerKeepsFlowControl => false;

    protected override bool ServerNoticesCuts => false;

    protected override Task<IPubSubServer> StartServerAsync() => Task.FromResult<IPubSubServer>(new EmulatorServer());

    protected override void SkipWithoutServer() => EmulatorServer.SkipWhereItIsNot();
}
