using Akka.Actor;
using Akka.Configuration;
using Akka.TestKit;
using Akka.TestKit.Xunit2;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>One shard between probes, under a virtual clock.</summary>
public sealed class OrderSupervisorTests : TestKit
{
    private readonly InMemorySubscription _orders = new("orders");
    private readonly InMemorySubscription _payments = new("payments");
    private readonly UnmatchedIndex _index = new();
    private readonly TestProbe _writer;
    private readonly TestProbe _sink;

    public OrderSupervisorTests()
        : base(ConfigurationFactory.ParseString("""akka.scheduler.implementation = "Akka.TestKit.TestScheduler, Akka.TestKit" """)
            .WithFallback(TestConfiguration.Reference))
    {
        _writer = CreateTestProbe();
        _sink = CreateTestProbe();
    }

    private TestScheduler Clock => (TestScheduler)Sys.Scheduler;

    [Fact]
    public void An_order_is_written_without_a_read()
    {
        var order = Shop.Order(_orders, 1);
        Shard().Tell(new ShardBatch([order]));
        _writer.ExpectMsg<WriteFact>().Order.ShouldBe(order);
    }

    [Fact]
    public void An_order_that_the_index_lists_is_read_first()
    {
        _index.SetDeadLettered(1);
        Shard().Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        _writer.ExpectMsg<LoadOrder>().OrderId.ShouldBe(1);
    }

    [Fact]
    public void A_payment_without_a_live_order_reads_the_row_and_messages_that_come_meanwhile_keep_their_order()
    {
        var shard = Shard();
        var payment = Shop.Payment(_payments, 1);
        var order = Shop.Order(_orders, 1);
        shard.Tell(new ShardBatch([payment, order]));
        var load = _writer.ExpectMsg<LoadOrder>();
        _writer.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        load.ReplyTo.Tell(load.Answer());
        var write = _writer.ExpectMsg<WriteFact>();
        write.Order.ShouldBe(order);
        write.Payment.ShouldBe(payment);
    }

    [Fact]
    public void The_actor_of_a_completed_order_is_handed_to_the_next_order()
    {
        var shard = Shard();
        var actors = new HashSet<IActorRef>();
        for (var id = 1; id <= 20; id++)
        {
            // A payment first makes the actor show itself: it asks for the row.
            shard.Tell(new ShardBatch([Shop.Payment(_payments, id), Shop.Order(_orders, id)]));
            var load = _writer.ExpectMsg<LoadOrder>();
            actors.Add(load.ReplyTo);
            load.ReplyTo.Tell(load.Answer());
            _writer.ExpectMsg<WriteFact>().OrderId.ShouldBe(id);
            WaitUntilIdle(shard);
        }

        actors.ShouldHaveSingleItem();
    }

    [Fact]
    public void An_actor_that_was_handed_on_knows_nothing_of_its_former_order()
    {
        var shard = Shard();
        Complete(shard, 1);
        WaitUntilIdle(shard);

        // The same order again: what was known of it may have changed in the meantime.
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1, paymentId: 5)]));
        _writer.ExpectMsg<LoadOrder>().OrderId.ShouldBe(1);
    }

    [Fact]
    public void An_order_that_waits_for_its_payment_is_passivated_after_the_idle_time_and_then_read_again()
    {
        var shard = Shard("ecomstream.join.passivate-after = 10s");
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        _writer.ExpectMsg<WriteFact>();
        Advance(shard, TimeSpan.FromSeconds(9));
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        _writer.ExpectMsg<WriteFact>().Guarded.ShouldBeTrue();
        WaitUntilIdle(shard);

        shard.Tell(new ShardBatch([Shop.Order(_orders, 2)]));
        _writer.ExpectMsg<WriteFact>();
        Advance(shard, TimeSpan.FromSeconds(13));
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 2)]));
        _writer.ExpectMsg<LoadOrder>().OrderId.ShouldBe(2);
    }

    [Fact]
    public void Above_the_bound_the_least_recently_used_order_is_passivated()
    {
        var shard = Shard("ecomstream.join { max-live-orders = 2, shards = 1 }");
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1), Shop.Order(_orders, 2), Shop.Order(_orders, 3)]));
        _writer.ExpectMsg<WriteFact>();
        _writer.ExpectMsg<WriteFact>();
        _writer.ExpectMsg<WriteFact>();
        WaitUntilIdle(shard);
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 3)]));
        _writer.ExpectMsg<WriteFact>();
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        _writer.ExpectMsg<LoadOrder>().OrderId.ShouldBe(1);
    }

    [Fact]
    public void An_early_payment_gets_its_row_after_park_after_and_not_before()
    {
        var shard = Shard("ecomstream.unmatched.park-after = 500ms");
        var payment = Shop.Payment(_payments, 1);
        shard.Tell(new ShardBatch([payment]));
        AnswerLoad();
        WaitUntilIdle(shard);
        Advance(shard, TimeSpan.FromMilliseconds(450));
        _sink.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        Advance(shard, TimeSpan.FromMilliseconds(50));
        _sink.ExpectMsg<ParkPayments>().Payments.ShouldBe([payment]);
    }

    [Fact]
    public void A_redelivery_of_a_payment_whose_row_is_being_written_is_settled_by_that_row_and_not_before_it()
    {
        var shard = Shard("ecomstream.unmatched.park-after = 50ms");
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        AnswerLoad();
        WaitUntilIdle(shard);
        Advance(shard, TimeSpan.FromMilliseconds(100));
        var parked = _sink.ExpectMsg<ParkPayments>();

        // The sink has not answered: the row is not durable, and the ack of a redelivery acks the message.
        var again = Shop.Payment(_payments, 1);
        shard.Tell(new ShardBatch([again]));
        WaitUntilIdle(shard);
        _writer.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        var second = _sink.ExpectMsg<ParkPayments>();
        second.Payments.ShouldBe([again]);

        // When it has, the row is there and the next redelivery adds nothing.
        parked.ReplyTo.Tell(parked.Answer());
        second.ReplyTo.Tell(second.Answer());
        var third = Shop.Payment(_payments, 1);
        shard.Tell(new ShardBatch([third]));
        _writer.ExpectMsg<SettleAfterWrites>().Message.ShouldBe(third);
        _sink.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public void An_early_payment_whose_order_comes_in_time_gets_no_row()
    {
        var shard = Shard("ecomstream.unmatched.park-after = 500ms");
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        AnswerLoad();
        WaitUntilIdle(shard);
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        _writer.ExpectMsg<WriteFact>().Payment.ShouldNotBeNull();
        Advance(shard, TimeSpan.FromSeconds(2));
        _sink.ExpectNoMsg(TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public void With_too_many_payments_waiting_unacked_the_oldest_gets_its_row_at_once()
    {
        var shard = Shard("ecomstream { unmatched.max-parked = 2, join.shards = 1 }");
        var payments = Enumerable.Range(1, 3).Select(id => Shop.Payment(_payments, id)).ToArray();
        foreach (var payment in payments)
        {
            shard.Tell(new ShardBatch([payment]));
            AnswerLoad();
            WaitUntilIdle(shard);
        }

        _sink.ExpectMsg<ParkPayments>().Payments.ShouldBe([payments[0]]);
        _sink.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public void A_payment_that_displaces_another_is_written_only_when_the_dead_letter_is_durable()
    {
        var shard = Shard();
        var older = Shop.Payment(_payments, 1, paymentId: 1, at: 3_000_001);
        var newer = Shop.Payment(_payments, 1, paymentId: 2, at: 4_000_001);
        shard.Tell(new ShardBatch([older]));
        AnswerLoad();
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        _writer.ExpectMsg<WriteFact>().Payment.ShouldBe(older);
        WaitUntilIdle(shard);

        shard.Tell(new ShardBatch([newer]));
        var row = new OrderFact(1, Shop.Order(_orders, 1).Order, new Stamp(1), older.Payment, older.Stamp);
        AnswerLoad(row);
        var letters = _sink.ExpectMsg<DeadLetterPayments>();
        letters.Payments.Single().Payment.Payment.PaymentId.ShouldBe(1);
        _writer.ExpectNoMsg(TimeSpan.FromMilliseconds(150));
        letters.ReplyTo.Tell(letters.Answer());
        _writer.ExpectMsg<WriteFact>().Payment.ShouldBe(newer);
    }

    [Fact]
    public void An_older_order_that_waits_for_dead_letters_is_written_when_the_newer_one_is_rejected_meanwhile()
    {
        var shard = Shard();
        var first = Shop.Payment(_payments, 1, paymentId: 1, at: 3_000_001);
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1, paymentId: 2, at: 4_000_001)]));
        AnswerLoad(new OrderFact(1, Shop.Order(_orders, 1).Order, new Stamp(5_000_001), first.Payment, first.Stamp));
        var letters = _sink.ExpectMsg<DeadLetterPayments>();
        var older = Shop.Order(_orders, 1, at: 1_000_001);
        shard.Tell(new ShardBatch([older]));
        shard.Tell(new WriteRejected(1, TestActor));
        ExpectMsg<RejectionKnown>().OrderId.ShouldBe(1);
        letters.ReplyTo.Tell(letters.Answer());

        // The payment that would have been written without its order is decided again first: it needs the row.
        var load = _writer.ExpectMsg<LoadOrder>();
        load.ReplyTo.Tell(load.Answer());
        var write = _writer.ExpectMsg<WriteFact>();
        write.Order.ShouldBe(older);
        write.Payment!.Payment.PaymentId.ShouldBe(2);
    }

    [Fact]
    public void A_recheck_gives_up_a_payment_whose_grace_is_over_and_answers_when_that_is_durable()
    {
        var shard = Shard("ecomstream.unmatched.grace = 30s");
        var payment = Shop.Payment(_payments, 1, at: 1_000_000_001);
        shard.Tell(new RecheckOrder(1, 1_000_000_001 + 30_000_000, TestActor));
        AnswerLoad(null, payment);
        var letters = _sink.ExpectMsg<DeadLetterPayments>();
        letters.Payments.ShouldHaveSingleItem().Reason.ShouldBe(DeadLetterReason.NoMatchingOrder);
        ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        letters.ReplyTo.Tell(letters.Answer());
        ExpectMsg<OrderRechecked>().OrderId.ShouldBe(1);
    }

    [Fact]
    public void An_order_that_comes_while_its_payment_is_dead_lettered_reads_the_row_of_that_payment_again()
    {
        // An operator may have discarded it by then.
        var shard = Shard("ecomstream.unmatched.grace = 30s");
        var payment = Shop.Payment(_payments, 1, at: 1_000_000_001);
        shard.Tell(new RecheckOrder(1, 1_000_000_001 + 30_000_000, TestActor));
        AnswerLoad(null, payment);
        var letters = _sink.ExpectMsg<DeadLetterPayments>();
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        shard.Tell(new InspectOrder(1, TestActor));
        ExpectMsg<OrderInspected>();
        letters.ReplyTo.Tell(letters.Answer());
        _writer.ExpectMsg<WriteFact>().Payment.ShouldBeNull();
        _writer.ExpectMsg<LoadOrder>();
    }

    [Fact]
    public void A_failure_inside_an_order_gives_its_messages_back_and_the_order_goes_on()
    {
        var shard = Shard();
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        var load = _writer.ExpectMsg<LoadOrder>();

        // An answer that no writer gives: it makes the actor throw.
        load.ReplyTo.Tell(new OrderLoaded(1, load.Correlation, null, null!, false));
        WaitUntilIdle(shard);
        _payments.Nacked.ShouldBe(0);
        Advance(shard, TimeSpan.FromMilliseconds(200));
        AwaitAssert(() => _payments.Nacked.ShouldBe(1));
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        _writer.ExpectMsg<WriteFact>().OrderId.ShouldBe(1);
    }

    [Fact]
    public void An_answer_to_a_request_from_before_a_failure_is_not_taken_for_a_later_one()
    {
        var shard = Shard();
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        var first = _writer.ExpectMsg<LoadOrder>();
        first.ReplyTo.Tell(new OrderLoaded(1, first.Correlation, null, null!, false));
        WaitUntilIdle(shard);
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1), Shop.Order(_orders, 1)]));
        var second = _writer.ExpectMsg<LoadOrder>();
        first.ReplyTo.Tell(first.Answer());
        _writer.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
        second.ReplyTo.Tell(second.Answer());
        _writer.ExpectMsg<WriteFact>().Payment.ShouldNotBeNull();
    }

    [Fact]
    public void A_vacancy_is_refused_when_more_was_sent_meanwhile()
    {
        // Each pair completes its order, so its actor offers its vacancy while more of the same order is on its way.
        var shard = Shard("ecomstream.join.shards = 1");
        const int Rounds = 2_000;
        for (var id = 1; id <= Rounds; id++)
        {
            shard.Tell(new ShardBatch([Shop.Order(_orders, id), Shop.Payment(_payments, id)]));
            shard.Tell(new ShardBatch([Shop.Order(_orders, id), Shop.Order(_orders, id + Rounds)]));
        }

        // A message that a handed-on actor takes for another order would be written under that order's id.
        var seen = new Dictionary<long, int>();
        for (var messages = 0; messages < 4 * Rounds;)
        {
            switch (_writer.ReceiveOne(TimeSpan.FromSeconds(10)))
            {
                case WriteFact write:
                    (write.Order?.OrderId ?? write.OrderId).ShouldBe(write.OrderId);
                    (write.Payment?.OrderId ?? write.OrderId).ShouldBe(write.OrderId);
                    seen[write.OrderId] = seen.GetValueOrDefault(write.OrderId) + 1;
                    messages += (write.Order is null ? 0 : 1) + (write.Payment is null ? 0 : 1);
                    break;
                case SettleAfterWrites:
                    messages++;
                    break;
                case var other:
                    throw new InvalidOperationException($"{other} after {messages} messages");
            }
        }

        seen.Count.ShouldBe(2 * Rounds);
    }

    [Fact]
    public void Vacant_actors_above_the_bound_are_stopped()
    {
        var shard = Shard("ecomstream.join { max-vacant = 2, shards = 1 }");
        shard.Tell(new ShardBatch([.. Enumerable.Range(1, 5).SelectMany<int, OrderMessage>(id => [Shop.Order(_orders, id), Shop.Payment(_payments, id)])]));
        for (var write = 0; write < 10; write++)
        {
            _writer.ExpectMsg<WriteFact>();
        }

        AwaitCondition(() => ((ActorRefWithCell)shard).Children.Count() == 2);
    }

    [Fact]
    public void A_payment_that_waits_unacked_keeps_its_actor_until_its_row_is_written()
    {
        var shard = Shard("ecomstream { join.max-live-orders = 1, join.shards = 1, join.max-vacant = 0, unmatched.park-after = 500ms }");
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        AnswerLoad();
        WaitUntilIdle(shard);

        // Above the bound the oldest is asked to go; it cannot yet.
        shard.Tell(new ShardBatch([Shop.Order(_orders, 2)]));
        _writer.ExpectMsg<WriteFact>().OrderId.ShouldBe(2);
        WaitUntilIdle(shard);
        ((ActorRefWithCell)shard).Children.Count().ShouldBe(2);
        shard.Tell(new ShardBatch([Shop.Order(_orders, 1)]));
        var joined = _writer.ExpectMsg<WriteFact>();
        joined.OrderId.ShouldBe(1);
        joined.Payment.ShouldNotBeNull();
    }

    [Fact]
    public void A_payment_whose_row_is_being_written_keeps_its_actor_until_that_is_durable()
    {
        var shard = Shard("ecomstream { join.max-vacant = 0, join.passivate-after = 1s, unmatched.park-after = 50ms }");
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        AnswerLoad();
        WaitUntilIdle(shard);
        Advance(shard, TimeSpan.FromSeconds(10));
        var park = _sink.ExpectMsg<ParkPayments>();
        ((ActorRefWithCell)shard).Children.Count().ShouldBe(1);
        park.ReplyTo.Tell(park.Answer());
        WaitUntilIdle(shard);
        Advance(shard, TimeSpan.FromSeconds(10));
        AwaitCondition(() => !((ActorRefWithCell)shard).Children.Any());
    }

    [Fact]
    public void When_the_pipeline_drains_everything_that_waits_gets_its_row_at_once()
    {
        var shard = Shard("ecomstream.unmatched.park-after = 1h");
        for (var id = 1; id <= 3; id++)
        {
            shard.Tell(new ShardBatch([Shop.Payment(_payments, id)]));
            AnswerLoad();
        }

        WaitUntilIdle(shard);
        shard.Tell(ParkAll.Instance);
        var parked = Enumerable.Range(0, 3).Select(_ => _sink.ExpectMsg<ParkPayments>().Payments.Single().OrderId).ToList();
        parked.ShouldBe([1, 2, 3], ignoreOrder: true);
    }

    [Fact]
    public void A_refused_payment_reads_the_row_and_is_decided_by_it_even_when_its_order_is_no_longer_in_memory()
    {
        var shard = Shard();
        var (other, refused) = (Shop.Payment(_payments, 1, paymentId: 1, at: 9_000_001), Shop.Payment(_payments, 1, paymentId: 2));
        shard.Tell(new PaymentRefused(refused));
        var row = new OrderFact(1, Shop.Order(_orders, 1).Order, new Stamp(1), other.Payment, other.Stamp);
        AnswerLoad(row);
        _sink.ExpectMsg<DeadLetterPayments>().Payments.ShouldHaveSingleItem()
            .ShouldBe(new DeadLetterPayment(refused, DeadLetterReason.Superseded));
    }

    [Fact]
    public void A_recheck_that_finds_the_order_joins_its_payment_and_heals_the_row()
    {
        var shard = Shard();
        var payment = Shop.Payment(_payments, 1);
        shard.Tell(new RecheckOrder(1, long.MaxValue / 2, TestActor));
        var row = new OrderFact(1, Shop.Order(_orders, 1).Order, new Stamp(1), null, Stamp.None);
        AnswerLoad(row, payment);
        var write = _writer.ExpectMsg<WriteFact>();
        write.Payment.ShouldBe(payment);
        write.Heal.ShouldBe([payment]);
        ExpectMsg<OrderRechecked>().OrderId.ShouldBe(1);
        _sink.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public void A_failure_inside_an_order_gives_back_all_that_it_held()
    {
        var shard = Shard("ecomstream.unmatched.park-after = 1h");
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1)]));
        AnswerLoad();
        WaitUntilIdle(shard);

        // One payment waits, a recheck reads the row, and more messages come behind it.
        shard.Tell(new RecheckOrder(1, 0, ActorRefs.Nobody));
        var load = _writer.ExpectMsg<LoadOrder>();
        shard.Tell(new ShardBatch([Shop.Payment(_payments, 1, paymentId: 2), Shop.Order(_orders, 1)]));
        WaitUntilIdle(shard);
        load.ReplyTo.Tell(new OrderLoaded(1, load.Correlation, null, null!, false));
        WaitUntilIdle(shard);
        Advance(shard, TimeSpan.FromMilliseconds(200));
        AwaitAssert(() => _payments.Nacked.ShouldBe(2));
        AwaitAssert(() => _orders.Nacked.ShouldBe(1));
        _writer.ExpectNoMsg(TimeSpan.FromMilliseconds(100));
    }

    // Step by step, because a timer that is started by what a step caused counts from there.
    private void Advance(IActorRef shard, TimeSpan by)
    {
        var step = TimeSpan.FromMilliseconds(50);
        for (var passed = TimeSpan.Zero; passed < by; passed += step)
        {
            Clock.Advance(step);
            WaitUntilIdle(shard);
        }
    }

    private void Complete(IActorRef shard, long id)
    {
        shard.Tell(new ShardBatch([Shop.Payment(_payments, id), Shop.Order(_orders, id)]));
        AnswerLoad();
        _writer.ExpectMsg<WriteFact>().OrderId.ShouldBe(id);
    }

    private void AnswerLoad(OrderFact? row = null, params PaymentReceived[] unmatched)
    {
        var load = _writer.ExpectMsg<LoadOrder>();
        load.ReplyTo.Tell(load.Answer(row, unmatched));
    }

    private IActorRef Shard(string hocon = "")
    {
        var settings = EcomStreamSettings.Read(ConfigurationFactory.ParseString(hocon));
        return Sys.ActorOf(OrderSupervisor.Props(settings, _writer.Ref, _sink.Ref, _index));
    }

    // A round trip through the supervisor and any child: what was sent before has been handled, and so have the answers.
    private void WaitUntilIdle(IActorRef shard)
    {
        for (var i = 0; i < 3; i++)
        {
            shard.Tell(new Identify(i));
            ExpectMsg<ActorIdentity>();
            foreach (var child in ((ActorRefWithCell)shard).Children)
            {
                child.Tell(new Identify(i));
                ExpectMsg<ActorIdentity>();
            }
        }
    }
}
