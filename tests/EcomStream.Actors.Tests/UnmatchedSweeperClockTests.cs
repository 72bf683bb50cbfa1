using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Actors.Tests;

/// <summary>The sweeper under a virtual clock: when it looks, and how long it waits for an answer.</summary>
public sealed class UnmatchedSweeperClockTests : TestKit
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly InMemorySubscription _payments = new("payments-sub");
    private readonly InMemoryFactStore _store = new();
    private readonly UnmatchedIndex _index = new();
    private readonly TestProbe _shard;
    private IActorRef _sweeper = ActorRefs.Nobody;

    public UnmatchedSweeperClockTests()
        : base(ConfigurationFactory.ParseString("""akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """)
            .WithFallback(TestConfiguration.Reference)) => _shard = CreateTestProbe();

    private long NowMicros => _time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000;

    [Fact]
    public async Task With_idle_orders_a_payment_is_looked_at_when_the_clock_is_past_its_grace_and_not_before()
    {
        await Waiting(1, publishedAt: NowMicros);
        await StartSweeping("grace = 30s, sweep-interval = 1s, watermark-idle = 2s");
        for (var second = 0; second < 29; second++)
        {
            await Advance(TimeSpan.FromSeconds(1));
        }

        await _shard.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(100));
        await Advance(TimeSpan.FromSeconds(1));
        await Advance(TimeSpan.FromSeconds(1));
        var recheck = await _shard.ExpectMsgAsync<RecheckOrder>();
        recheck.OrderId.ShouldBe(1);
        recheck.WatermarkMicros.ShouldBeLessThanOrEqualTo(NowMicros);
    }

    [Fact]
    public async Task An_order_that_does_not_answer_is_passed_over_after_a_while_and_asked_again_after_the_others()
    {
        await Waiting(1, publishedAt: NowMicros - 1);
        await Waiting(2, publishedAt: NowMicros);
        await StartSweeping("grace = 0s, sweep-interval = 1s, sweep-batch = 1, watermark-idle = 1ms");
        await Advance(TimeSpan.FromSeconds(1));
        await Advance(TimeSpan.FromSeconds(1));
        (await _shard.ExpectMsgAsync<RecheckOrder>()).OrderId.ShouldBe(1);
        for (var second = 0; second < 18; second++)
        {
            await Advance(TimeSpan.FromSeconds(1));
        }

        await _shard.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(100));
        for (var second = 0; second < 4; second++)
        {
            await Advance(TimeSpan.FromSeconds(1));
        }

        var other = await _shard.ExpectMsgAsync<RecheckOrder>();
        other.OrderId.ShouldBe(2);
        other.ReplyTo.Tell(new OrderRechecked(2));
        await ExpectMsgAsync<RefreshIndex>();
        for (var second = 0; second < 4; second++)
        {
            await Advance(TimeSpan.FromSeconds(1));
        }

        (await _shard.ExpectMsgAsync<RecheckOrder>()).OrderId.ShouldBe(1);
    }

    private async Task Waiting(long orderId, long publishedAt)
    {
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(Shop.Payment(_payments, orderId, at: publishedAt), DeadLetterReason.NoMatchingOrder, UnmatchedState.Waiting, 1)],
            CancellationToken.None);
        _index.SetWaiting(orderId, publishedAt, hasDeadLettered: false);
    }

    private async Task StartSweeping(string hocon)
    {
        var settings = EcomStreamSettings.Read(ConfigurationFactory.ParseString($"ecomstream.unmatched {{ {hocon} }}"));
        var router = new OrderRouter();
        router.Use([_shard.Ref]);
        _sweeper = Sys.ActorOf(UnmatchedSweeper.Props(
            settings, _store, () => new WatermarkReading(NowMicros, WatermarkHold.None, TimeSpan.Zero), router, TestActor, _index));
        await Handled();
    }

    private async Task Advance(TimeSpan by)
    {
        _time.Advance(by);
        ((TestScheduler)Sys.Scheduler).Advance(by);
        await Handled();
    }

    // A round trip or two: the sweep has listed, and what it listed has come back to it.
    private async Task Handled()
    {
        for (var i = 0; i < 3; i++)
        {
            _sweeper.Tell(new Identify(i), TestActor);
            await ExpectMsgAsync<ActorIdentity>();
        }
    }
}
