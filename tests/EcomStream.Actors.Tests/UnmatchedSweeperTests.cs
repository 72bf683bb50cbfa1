using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

public sealed class UnmatchedSweeperTests : TestKit
{
    private readonly InMemorySubscription _payments = new("payments-sub");
    private readonly InMemoryFactStore _store = new();
    private readonly UnmatchedIndex _index = new();
    private readonly TestProbe _shard;

    public UnmatchedSweeperTests()
        : base(TestConfiguration.Reference) => _shard = CreateTestProbe();

    [Fact]
    public async Task Only_payments_whose_grace_is_over_on_the_watermark_are_looked_at()
    {
        await Waiting(1, publishedAt: 1_000_000);
        await Waiting(2, publishedAt: 5_000_000);
        await Sweeper("grace = 1s", watermark: 2_000_000);
        var recheck = await _shard.ExpectMsgAsync<RecheckOrder>();
        recheck.OrderId.ShouldBe(1);
        recheck.WatermarkMicros.ShouldBe(2_000_000);
        await _shard.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task The_next_page_comes_when_every_order_of_the_last_one_has_answered()
    {
        for (var id = 1; id <= 5; id++)
        {
            await Waiting(id, publishedAt: id);
        }

        // A full sweep would read the rows, which still say that they wait, and put the orders back into the index.
        _store.BeforeCall = operation => operation == StoreOperation.List
            ? Task.FromException(new StoreUnavailableException("down"))
            : Task.CompletedTask;
        await Sweeper("grace = 0s, sweep-batch = 2, sweep-interval = 20ms", watermark: 2_000_000);
        var seen = new List<long>();
        while (seen.Count < 5)
        {
            var page = new List<RecheckOrder> { await _shard.ExpectMsgAsync<RecheckOrder>() };
            if (seen.Count < 4)
            {
                page.Add(await _shard.ExpectMsgAsync<RecheckOrder>());
                await _shard.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(60));
            }

            foreach (var recheck in page)
            {
                _index.Remove(recheck.OrderId);
                seen.Add(recheck.OrderId);
                recheck.ReplyTo.Tell(new OrderRechecked(recheck.OrderId));
            }
        }

        seen.ShouldBe([1, 2, 3, 4, 5]);
    }

    [Fact]
    public async Task Nothing_is_given_up_while_the_orders_cannot_be_read()
    {
        await Waiting(1, publishedAt: 1);
        await Sweeper("grace = 0s, sweep-interval = 10ms", watermark: null);
        await _shard.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task The_store_is_not_asked_who_waits()
    {
        await Waiting(1, publishedAt: 1);
        var calls = 0;
        _store.BeforeCall = _ =>
        {
            Interlocked.Increment(ref calls);
            return Task.CompletedTask;
        };
        await Sweeper("grace = 0s, sweep-interval = 400ms", watermark: 2_000_000);
        (await _shard.ExpectMsgAsync<RecheckOrder>()).OrderId.ShouldBe(1);
        Volatile.Read(ref calls).ShouldBe(0);
    }

    [Fact]
    public async Task An_order_that_still_waits_after_its_turn_is_looked_up_in_the_store_and_is_due_again()
    {
        await Waiting(1, publishedAt: 1);
        await Sweeper("grace = 0s, sweep-interval = 20ms", watermark: 2_000_000);
        for (var turn = 0; turn < 3; turn++)
        {
            var recheck = await _shard.ExpectMsgAsync<RecheckOrder>();
            recheck.ReplyTo.Tell(new OrderRechecked(1));
            (await ExpectMsgAsync<RefreshIndex>()).OrderId.ShouldBe(1);
        }
    }

    [Fact]
    public async Task A_full_sweep_finds_dead_letters_whose_order_is_there_and_rows_that_the_index_does_not_know()
    {
        await Row(1, UnmatchedState.DeadLettered);
        await Row(2, UnmatchedState.DeadLettered);
        await Row(3, UnmatchedState.Waiting);
        await _store.WriteAsync([OrderWrite(2), OrderWrite(3)], CancellationToken.None);
        await Sweeper("grace = 1h, sweep-interval = 1h, full-sweep-interval = 20ms", watermark: 2_000_000);
        var recheck = await _shard.ExpectMsgAsync<RecheckOrder>();
        recheck.OrderId.ShouldBe(2);
        _index.Contains(1).ShouldBeTrue();
        _index.IsWaiting(3).ShouldBeTrue();
    }

    // The process may have been killed after it had written a joined row and before it had marked the payment as healed.
    [Fact]
    public async Task The_first_full_sweep_comes_soon_after_the_start()
    {
        await Row(1, UnmatchedState.DeadLettered);
        await _store.WriteAsync([OrderWrite(1)], CancellationToken.None);
        await Sweeper("sweep-interval = 10ms, full-sweep-interval = 1h", watermark: 2_000_000);
        (await _shard.ExpectMsgAsync<RecheckOrder>()).OrderId.ShouldBe(1);
    }

    [Fact]
    public async Task A_full_sweep_that_fails_is_tried_again_at_the_next_interval()
    {
        await Row(1, UnmatchedState.DeadLettered);
        await _store.WriteAsync([OrderWrite(1)], CancellationToken.None);
        var lists = 0;
        _store.BeforeCall = operation => operation == StoreOperation.List && Interlocked.Increment(ref lists) <= 3
            ? Task.FromException(new StoreUnavailableException("down"))
            : Task.CompletedTask;
        await Sweeper("sweep-interval = 1h, full-sweep-interval = 10ms", watermark: 2_000_000);
        (await _shard.ExpectMsgAsync<RecheckOrder>()).OrderId.ShouldBe(1);
        lists.ShouldBeGreaterThanOrEqualTo(4);
    }

    [Fact]
    public async Task A_full_sweep_has_entries_of_the_index_checked_whose_rows_another_program_has_changed_or_deleted()
    {
        await Row(1, UnmatchedState.DeadLettered);
        await Row(2, UnmatchedState.Discarded);
        _index.SetDeadLettered(1);
        _index.SetDeadLettered(2);
        _index.SetDiscarded(3);
        await Sweeper("sweep-interval = 1h, full-sweep-interval = 10ms", watermark: 2_000_000);
        var checkedOrders = new[] { (await ExpectMsgAsync<RefreshIndex>()).OrderId, (await ExpectMsgAsync<RefreshIndex>()).OrderId };
        checkedOrders.Order().ShouldBe([2, 3]);
        _index.MayHaveDiscarded(2).ShouldBeTrue();
    }

    private static FactWrite OrderWrite(long orderId) =>
        new() { OrderId = orderId, Order = new Order { OrderId = orderId }, OrderStamp = new Stamp(1) };

    private async Task Row(long orderId, UnmatchedState state) =>
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(Shop.Payment(_payments, orderId), DeadLetterReason.NoMatchingOrder, state, 1)], CancellationToken.None);

    private async Task Waiting(long orderId, long publishedAt)
    {
        await _store.WriteUnmatchedAsync(
            [UnmatchedRows.Encode(Shop.Payment(_payments, orderId, at: publishedAt), DeadLetterReason.NoMatchingOrder, UnmatchedState.Waiting, 1)],
            CancellationToken.None);
        _index.SetWaiting(orderId, publishedAt, hasDeadLettered: false);
    }

    private Task Sweeper(string hocon, long? watermark)
    {
        var settings = EcomStreamSettings.Read(ConfigurationFactory.ParseString($"ecomstream.unmatched {{ {hocon} }}")
            .WithFallback(ConfigurationFactory.ParseString("ecomstream.unmatched.sweep-interval = 50ms")));
        var reading = new WatermarkReading(watermark, watermark is null ? WatermarkHold.NotReading : WatermarkHold.Backlog, TimeSpan.Zero);
        var router = new OrderRouter();
        router.Use([_shard.Ref]);
        Sys.ActorOf(UnmatchedSweeper.Props(settings, _store, () => reading, router, TestActor, _index));
        return Task.CompletedTask;
    }
}
