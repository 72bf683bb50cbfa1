using System.Text;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.PubSub.Tests;

/// <summary>Tests of a client with a Pub/Sub server: what differs between clients and servers, and steps that many of them take.</summary>
[Trait("Speed", "Slow")]
public abstract partial class PubSubServerTests : IAsyncLifetime
{
    private protected const string Topic = "orders_data";
    private protected const string SubscriptionName = "orders_data-sub";
    private protected const string ShortDeadline = "short-deadline-sub";

    // Four ack deadlines, or three: a lease ends at ten seconds.
    private protected static readonly TimeSpan LongWait = TimeSpan.FromSeconds(TestSize.Of(full: 40, part: 30));

    private IPubSubServer? _server;

    private protected string Project { get; } = $"test-{Guid.NewGuid():N}";

    private protected string Endpoint => _server?.Endpoint ?? throw new InvalidOperationException("The test has not started.");

    /// <summary>Starts, or finds, the server.</summary>
    protected abstract Task<IPubSubServer> StartServerAsync();

    /// <summary>Whether the server keeps itself to the flow-control limits that a stream is opened with.</summary>
    protected abstract bool ServerKeepsFlowControl { get; }

    /// <summary>
    /// Whether the server ends a stream when its connection is cut. If not, it goes on handing messages to it, as often as
    /// their leases end.
    /// </summary>
    protected abstract bool ServerNoticesCuts { get; }

    /// <summary>
    /// Whether a probe asks for the subscription, which tells whether it has a retry policy. Of the embedded broker it asks
    /// for the backlog, which includes what is leased.
    /// </summary>
    protected virtual bool ProbeTellsRetryPolicy => true;

    /// <summary>Whether messages without an ordering key arrive in the order in which one call published them.</summary>
    protected virtual bool ClientKeepsOrder => true;

    /// <summary>Whether the server answers which permissions a caller has.</summary>
    protected virtual bool ServerKnowsPermissions => true;

    /// <summary>Within what time after the last cut of a connection the client reads again.</summary>
    protected virtual TimeSpan LongestRecovery => TimeSpan.FromSeconds(5);

    /// <summary>
    /// Whether the client closes a stream on which a server without flow control has sent more than it can take, so that
    /// the rest is not read when its lease has ended.
    /// </summary>
    protected virtual bool ClientClosesStalledStreams => true;

    /// <summary>Whether the bound on bytes holds for the last message, too, and not only for those before it.</summary>
    protected virtual bool ClientCountsTheLastMessage => true;

    /// <summary>The client under test.</summary>
    protected virtual ISubscription Subscribe(PubSubConnection connection, string name) => new PubSubSubscription(connection, name);

    /// <summary>The client under test.</summary>
    protected virtual IPublisher CreatePublisher(PubSubConnection connection) => new PubSubPublisher(connection);

    /// <summary>Skips the test where its server is not there.</summary>
    protected virtual void SkipWithoutServer()
    {
    }

    public async Task InitializeAsync()
    {
        _server = await StartServerAsync();
        if (Endpoint.Length > 0)
        {
            using var connection = Connect();
            var admin = new PubSubAdmin(connection);
            (await admin.EnsureTopicAsync(Topic, default)).ShouldBeTrue();
            (await admin.EnsureSubscriptionAsync(SubscriptionName, Topic, default)).ShouldBeTrue();
        }
    }

    public async Task DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    protected PubSubConnection Connect(string hocon = "") => PubSubConnection.Create(TestSettings.Of(Endpoint, Project, hocon));

    private protected static OutgoingMessage Message(byte[] data) => new(data, Delivery.NoAttributes);

    private protected async Task PublishAsync(PubSubConnection connection, int count, string text = "message")
    {
        await using var publisher = CreatePublisher(connection);
        await publisher.PublishAsync(Topic, [.. Enumerable.Range(0, count).Select(n => Message(Encoding.UTF8.GetBytes($"{text} {n}")))], default);
    }

    private protected static void AckAll(Receiver receiver)
    {
        foreach (var delivery in receiver.Deliveries)
        {
            delivery.Ack();
        }
    }

    // What the server still held would come before a message that is published afterwards.
    private protected async Task ShouldHoldNothingAsync(PubSubConnection connection, string name = SubscriptionName)
    {
        await using var subscription = Subscribe(connection, name);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        await PublishAsync(connection, 1, "last");
        await Eventually.True(() => receiver.Texts.Contains("last 0"), "the last message arrives");
        receiver.Texts.ShouldBe(["last 0"]);
    }

    // The emulator goes by the subscription's ack deadline, whatever the stream asks for.
    private protected static Task<bool> MakeShortDeadlineAsync(PubSubConnection connection) => new PubSubAdmin(connection).EnsureSubscriptionAsync(
        new SubscriptionPlan { Topic = Topic, Subscription = ShortDeadline, AckDeadline = TimeSpan.FromSeconds(10) }, default);
}
