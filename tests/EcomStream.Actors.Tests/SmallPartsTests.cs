using Akka.Actor;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

public sealed class SmallPartsTests
{
    [Fact]
    public void The_reference_can_be_read_as_settings() =>
        EcomStreamSettings.Read(EcomStreamSettings.Reference).Grace.ShouldBe(TimeSpan.FromSeconds(30));

    [Fact]
    public void The_index_counts_waiting_orders_and_forgets_healed_ones()
    {
        var index = new UnmatchedIndex();
        index.SetWaiting(1, 10, hasDeadLettered: false);
        index.SetWaiting(2, 20, hasDeadLettered: false);
        index.SetWaiting(2, 20, hasDeadLettered: false);
        index.Waiting.ShouldBe(2);
        index.SetDeadLettered(2);
        index.Waiting.ShouldBe(1);
        index.Contains(2).ShouldBeTrue();
        index.Remove(2);
        index.Remove(1);
        index.Remove(1);
        index.Waiting.ShouldBe(0);
        index.Contains(2).ShouldBeFalse();
    }

    [Fact]
    public void The_index_gives_out_who_waits_longest_once_and_again_when_put_back()
    {
        var index = new UnmatchedIndex();
        index.SetWaiting(1, 30, hasDeadLettered: false);
        index.SetWaiting(2, 10, hasDeadLettered: false);
        index.SetWaiting(3, 20, hasDeadLettered: false);
        index.TakeDue(5, limit: 9).ShouldBeEmpty();
        index.TakeDue(100, limit: 2).ShouldBe([2, 3]);
        index.TakeDue(100, limit: 9).ShouldBe([1]);
        index.TakeDue(100, limit: 9).ShouldBeEmpty();

        // Its oldest payment was given up and another one waits on; one has been healed; one is as it was.
        index.SetWaiting(2, 50, hasDeadLettered: false);
        index.Remove(3);
        index.PutBack([1, 3]);
        index.TakeDue(40, limit: 9).ShouldBe([1]);
        index.TakeDue(100, limit: 9).ShouldBe([2]);
    }

    [Fact]
    public void A_row_that_is_found_does_not_hide_what_the_index_knows()
    {
        var index = new UnmatchedIndex();
        index.Add(new UnjoinedPayment(1, UnmatchedState.Waiting, 30));
        index.Add(new UnjoinedPayment(1, UnmatchedState.DeadLettered, 10));
        index.Add(new UnjoinedPayment(1, UnmatchedState.Waiting, 20));
        index.Add(new UnjoinedPayment(1, UnmatchedState.Waiting, 40));
        index.Add(new UnjoinedPayment(2, UnmatchedState.DeadLettered, 10));
        index.Waiting.ShouldBe(1);
        index.Count.ShouldBe(2);
        index.IsWaiting(2).ShouldBeFalse();
        index.TakeDue(19, limit: 9).ShouldBeEmpty();
        index.TakeDue(20, limit: 9).ShouldBe([1]);
        index.TakeDue(100, limit: 9).ShouldBeEmpty();
    }

    [Fact]
    public void The_index_keeps_orders_with_discarded_payments_apart_from_those_that_an_order_would_heal()
    {
        var index = new UnmatchedIndex();
        index.MayHaveDiscarded(1).ShouldBeFalse();
        index.Add(new UnjoinedPayment(1, UnmatchedState.Discarded, 30));
        index.MayHaveDiscarded(1).ShouldBeTrue();
        index.Contains(1).ShouldBeFalse();
        index.Count.ShouldBe(0);

        // Another program may discard a dead-lettered payment at any time, but not one that waits.
        index.SetDeadLettered(2);
        index.MayHaveDiscarded(2).ShouldBeTrue();
        index.Remove(2);
        index.MayHaveDiscarded(2).ShouldBeFalse();
        index.SetWaiting(3, 30, hasDeadLettered: false);
        index.MayHaveDiscarded(3).ShouldBeFalse();
        index.Add(new UnjoinedPayment(3, UnmatchedState.DeadLettered, 20));
        index.MayHaveDiscarded(3).ShouldBeTrue();
        index.IsWaiting(3).ShouldBeTrue();
        index.SetWaiting(3, 30, hasDeadLettered: false);
        index.MayHaveDiscarded(3).ShouldBeFalse();
        index.SetWaiting(3, 30, hasDeadLettered: true);
        index.MayHaveDiscarded(3).ShouldBeTrue();
        index.RemoveDiscarded(1);
        index.MayHaveDiscarded(1).ShouldBeFalse();
    }

    [Fact]
    public void The_index_lists_orders_without_a_row_after_a_full_sweep()
    {
        var index = new UnmatchedIndex();
        index.SetDeadLettered(1);
        index.SetDeadLettered(2);
        index.SetDiscarded(2);
        index.SetDiscarded(3);
        index.SetWaiting(4, 10, hasDeadLettered: true);
        index.NotFoundBySweep(limit: 9).ShouldBeEmpty();

        index.BeginSweep();
        index.Add(new UnjoinedPayment(1, UnmatchedState.DeadLettered, 10));
        index.Add(new UnjoinedPayment(2, UnmatchedState.Discarded, 10));
        index.SetDeadLettered(5);
        index.NotFoundBySweep(limit: 9).Order().ShouldBe([2, 3]);
        index.NotFoundBySweep(limit: 1).Count.ShouldBe(1);
    }

    [Fact]
    public async Task The_linked_mailbox_keeps_every_message_and_each_producers_order()
    {
        var queue = new LinkedMessageQueue();
        const int Producers = 4, Each = 50_000;
        var producing = Task.WhenAll(Enumerable.Range(0, Producers).Select(p => Task.Run(() =>
        {
            for (var i = 0; i < Each; i++)
            {
                queue.Enqueue(ActorRefs.Nobody, new Envelope((p, i), ActorRefs.NoSender));
            }
        })));
        var next = new int[Producers];
        var seen = 0;
        while (seen < Producers * Each)
        {
            if (queue.TryDequeue(out var envelope))
            {
                var (p, i) = ((int, int))envelope.Message;
                i.ShouldBe(next[p]++);
                seen++;
            }
            else
            {
                await Task.Yield();
            }
        }

        await producing;
        queue.HasMessages.ShouldBeFalse();
        queue.TryDequeue(out _).ShouldBeFalse();
    }

    [Fact]
    public void The_linked_mailbox_counts_what_it_holds_and_leaves_it_to_the_dead_letters_when_its_actor_goes()
    {
        var (queue, deadLetters) = (new LinkedMessageQueue(), new LinkedMessageQueue());
        for (var i = 0; i < 3; i++)
        {
            queue.Enqueue(ActorRefs.Nobody, new Envelope(i, ActorRefs.NoSender));
            queue.Count.ShouldBe(i + 1);
            queue.HasMessages.ShouldBeTrue();
        }

        queue.CleanUp(ActorRefs.Nobody, deadLetters);
        queue.HasMessages.ShouldBeFalse();
        queue.Count.ShouldBe(0);
        deadLetters.Count.ShouldBe(3);
        deadLetters.TryDequeue(out var first).ShouldBeTrue();
        first.Message.ShouldBe(0);
    }

    [Fact]
    public void A_batch_is_routed_to_the_shards_of_its_orders_with_each_orders_messages_in_their_order()
    {
        var shards = Enumerable.Range(0, 5).Select(_ => new Recorder()).ToArray();
        var router = new OrderRouter();
        router.Use(shards);
        var source = new InMemorySubscription("orders");
        var messages = Enumerable.Range(0, 400).Select(i => (OrderMessage)Shop.Order(source, i % 37)).ToList();
        router.Route(messages);
        router.Route([]);
        shards.SelectMany(shard => shard.Batches).Sum(batch => batch.Messages.Count).ShouldBe(400);
        for (var shard = 0; shard < 5; shard++)
        {
            shards[shard].Batches.ShouldHaveSingleItem().Messages
                .ShouldBe(messages.Where(message => Shards.Of(message.OrderId, 5) == shard));
        }
    }

    [Fact]
    public void The_defaults_are_valid_and_those_of_the_design()
    {
        var settings = EcomStreamSettings.Read(Config.Empty);
        settings.Grace.ShouldBe(TimeSpan.FromSeconds(30));
        settings.ParkAfter.ShouldBe(TimeSpan.FromMilliseconds(500));
        settings.OrdersSubscription.ShouldBe("orders_data-sub");
        settings.PaymentsDeadLetterTopic.ShouldBe("dlq_payments_data");
    }

    [Theory]
    [InlineData("join.shards = 0")]
    [InlineData("join.shards = many")]
    [InlineData("join.passivate-after = 1")]
    [InlineData("unmatched.grace = soon")]
    [InlineData("writer.max-backoff = 1ms")]
    [InlineData("ingest.orders-subscription = \"\"")]
    [InlineData("ingest.decoders = 257")]
    [InlineData("writer.batch-size = -1")]
    [InlineData("writer.linger = -5ms")]
    [InlineData("writer.max-in-flight = 1.5")]
    [InlineData("unmatched.grace = infinite")]
    [InlineData("unmatched.sweep-interval = 1ms")]
    [InlineData("dead-letters.payments-topic = \" \"")]
    [InlineData("shutdown-timeout = 0s")]
    public void A_wrong_setting_names_its_path(string setting) =>
        Should.Throw<ConfigurationException>(() => EcomStreamSettings.Read(ConfigurationFactory.ParseString("ecomstream." + setting)))
            .Message.ShouldContain("ecomstream." + setting.Split(' ')[0]);

    [Theory]
    [InlineData("unmatched.grase = 7s", "unmatched.grace")]
    [InlineData("writer.batchsize = 7", "writer.batch-size")]
    public void An_unknown_key_of_the_pipeline_is_rejected_with_the_nearest_valid_one(string setting, string nearest)
    {
        var error = Should.Throw<ConfigurationException>(() => EcomStreamSettings.Read(ConfigurationFactory.ParseString("ecomstream." + setting))).Message;
        error.ShouldContain("ecomstream." + setting.Split(' ')[0]);
        error.ShouldContain(nearest.Split('.')[1]);
    }

    [Fact]
    public void The_backoff_doubles_up_to_its_bound()
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1));
        Enumerable.Range(1, 6).Select(n => backoff.After(n).TotalMilliseconds).ShouldBe([100, 200, 400, 800, 1_000, 1_000]);
        backoff.After(1_000).ShouldBe(TimeSpan.FromSeconds(1));
    }

    private sealed class Recorder : MinimalActorRef
    {
        public List<ShardBatch> Batches { get; } = [];

        public override ActorPath Path => ActorRefs.Nobody.Path;

        public override IActorRefProvider Provider => throw new NotSupportedException();

        protected override void TellInternal(object message, IActorRef sender) => Batches.Add((ShardBatch)message);
    }
}
