using System.Diagnostics;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Tests;

/// <summary>Whose child a span is.</summary>
public sealed class MessageTracingTests : IDisposable
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";
    private const string Parent = $"00-{Trace}-b7ad6b7169203331-01";

    private readonly ActivitySource _source = new($"shop {Guid.NewGuid()}");
    private readonly ActivityListener _listener;

    public MessageTracingTests()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = listened => listened.Name == _source.Name || listened.Name == MessageTracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _source.Dispose();
    }

    [Fact]
    public void A_message_that_has_a_trace_goes_on_with_it_whoever_publishes_it()
    {
        using var sink = _source.StartActivity("sink")!;
        var traced = new Dictionary<string, string> { [DeadLetter.TraceParent] = Parent, [DeadLetter.TraceState] = "shop=1" };
        var letter = new OutgoingMessage(default, traced);

        var (span, published) = MessageTracing.StartPublish("letters", letter);

        using var ended = span.ShouldNotBeNull();
        span.TraceId.ToHexString().ShouldBe(Trace);
        span.ParentId.ShouldBe(Parent);
        published.Attributes[DeadLetter.TraceParent].ShouldBe(span.Id);
        published.Attributes[DeadLetter.TraceState].ShouldBe("shop=1");
        traced[DeadLetter.TraceParent].ShouldBe(Parent, "the caller's attributes are the caller's");
        Activity.Current.ShouldBe(sink);
    }

    [Fact]
    public void A_message_without_a_trace_is_a_child_of_whatever_publishes_it()
    {
        using var sink = _source.StartActivity("sink")!;

        var (span, published) = MessageTracing.StartPublish("letters", new OutgoingMessage(default, Delivery.NoAttributes));

        using var ended = span.ShouldNotBeNull();
        span.ParentSpanId.ShouldBe(sink.SpanId);
        published.Attributes[DeadLetter.TraceParent].ShouldBe(span.Id);
    }

    [Fact]
    public async Task A_message_received_without_a_trace_begins_one_and_is_no_child_of_whatever_was_current_when_the_reading_began()
    {
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            await call.ReadAsync<StreamingPullRequest>();
            await call.WriteAsync(ScriptedCall.Messages(false, "a"));
            await Task.Delay(Timeout.Infinite, call.Aborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        using var connection = PubSubConnection.Create(TestSettings.Of(server.Endpoint, hocon: "ecomstream.pubsub.subscriber.close-timeout = 100ms"));
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        using var start = _source.StartActivity("start")!;
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "it arrives");

        var span = ((PubSubDelivery)receiver.Deliveries[0]).Span.ShouldNotBeNull();

        span.ParentId.ShouldBeNull();
        span.TraceId.ShouldNotBe(start.TraceId);
        Activity.Current.ShouldBe(start);
    }
}
