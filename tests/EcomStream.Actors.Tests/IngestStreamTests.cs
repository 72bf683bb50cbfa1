using System.Runtime.CompilerServices;
using Akka.Streams;
using Akka.Streams.Dsl;
using Akka.Streams.TestKit;
using Akka.TestKit.Xunit2;
using EcomStream.Core;
using EcomStream.Testing;

namespace EcomStream.Actors.Tests;

/// <summary>The source of a subscription and the flow that decodes, each against probes of Akka.Streams.TestKit.</summary>
public sealed class IngestStreamTests : TestKit
{
    private readonly InMemorySubscription _orders = new("orders-sub");
    private readonly ActorMaterializer _materializer;

    public IngestStreamTests()
        : base(TestConfiguration.Reference) => _materializer = Sys.Materializer();

    [Fact]
    public async Task A_batch_is_handed_out_for_each_demand_and_the_control_completes_the_stream()
    {
        var (control, probe) = SubscriptionSource.Create(_orders)
            .ToMaterialized(this.SinkProbe<IReadOnlyList<Delivery>>(), Keep.Both)
            .Run(_materializer);
        _orders.Publish([Shop.OrderData(1), Shop.OrderData(2)]);
        _orders.Publish(Shop.OrderData(3));

        await probe.RequestAsync(1);
        (await probe.ExpectNextAsync()).Count.ShouldBe(2);
        await probe.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(100));
        await probe.RequestAsync(5);
        (await probe.ExpectNextAsync()).ShouldHaveSingleItem().MessageId.ShouldNotBeEmpty();
        await control.StopAsync();
        await probe.ExpectCompleteAsync();
    }

    [Fact]
    public async Task A_subscription_that_cannot_be_read_at_all_fails_the_stream()
    {
        _orders.Failure = new SubscriptionFailedException("no such subscription");
        var probe = SubscriptionSource.Create(_orders).RunWith(this.SinkProbe<IReadOnlyList<Delivery>>(), _materializer);
        await probe.EnsureSubscriptionAsync();
        await probe.RequestAsync(1);
        (await probe.ExpectErrorAsync()).ShouldBeOfType<SubscriptionFailedException>();
    }

    [Fact]
    public async Task A_read_that_fails_is_started_again()
    {
        var subscription = new FailingOnce(_orders);
        var probe = SubscriptionSource.Create(subscription).RunWith(this.SinkProbe<IReadOnlyList<Delivery>>(), _materializer);
        _orders.Publish(Shop.OrderData(1));
        await probe.RequestAsync(1);
        (await probe.ExpectNextAsync(TimeSpan.FromSeconds(10))).Count.ShouldBe(1);
        subscription.Reads.ShouldBe(2);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Batches_are_decoded_in_their_order_and_malformed_messages_go_to_the_dead_letters(int decoders)
    {
        var unmatched = CreateTestProbe();
        using var metrics = new EcomStreamMetrics("test");
        var decoder = new OrderDecoder(unmatched, EcomStreamSettings.Read(Sys.Settings.Config), metrics, Log);
        var (source, sink) = this.SourceProbe<IReadOnlyList<Delivery>>()
            .Via(IngestGraph.Decode(decoder, decoders))
            .ToMaterialized(this.SinkProbe<IReadOnlyList<OrderMessage>>(), Keep.Both)
            .Run(_materializer);
        await sink.RequestAsync(10);
        for (var id = 1; id <= 8; id++)
        {
            await source.SendNextAsync(_orders.Publish([Shop.OrderData(id), "{"u8.ToArray()]));
        }

        for (var id = 1; id <= 8; id++)
        {
            (await sink.ExpectNextAsync()).ShouldHaveSingleItem().OrderId.ShouldBe(id);
            (await unmatched.ExpectMsgAsync<DeadLetterMessage>()).Reason.ShouldBe(DeadLetterReason.Malformed);
        }

        await source.SendCompleteAsync();
        await sink.ExpectCompleteAsync();
    }

    private sealed class FailingOnce(InMemorySubscription subscription) : ISubscription
    {
        public int Reads { get; private set; }

        public string Name => subscription.Name;

        public SubscriptionStatus Status => subscription.Status;

        public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
        {
            if (++Reads == 1)
            {
                throw new IOException("the first read fails");
            }

            await foreach (var batch in subscription.ReceiveAsync(stop))
            {
                yield return batch;
            }
        }

        public ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken) => subscription.ProbeAsync(cancellationToken);

        public OutstandingMessage? OldestOutstanding() => subscription.OldestOutstanding();

        public Task FlushAsync(CancellationToken cancellationToken) => subscription.FlushAsync(cancellationToken);

        public ValueTask DisposeAsync() => subscription.DisposeAsync();
    }
}
