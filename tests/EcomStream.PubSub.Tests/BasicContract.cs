using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Akka.Actor;
using Akka.Streams;
using Akka.Streams.Dsl;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Tests;

/// <summary>What the client promises with any Pub/Sub server, but for the tests that take several ack deadlines.</summary>
public abstract class BasicContract : PubSubServerTests
{
    [SkippableFact]
    public async Task A_message_arrives_as_it_was_published()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var publisher = CreatePublisher(connection);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription);
        var data = new byte[] { 0, 255, 1, (byte)'{' };
        var before = DateTimeOffset.UtcNow.AddMinutes(-1).ToUnixTimeMilliseconds() * 1_000;

        var ids = await publisher.PublishAsync(
            Topic, [new OutgoingMessage(data, new Dictionary<string, string> { ["reason"] = "weil's schön ist", ["empty"] = "" })], default);

        await Eventually.True(() => receiver.Count == 1, "the message arrives");
        var delivery = receiver.Deliveries[0];
        delivery.Data.ToArray().ShouldBe(data);
        delivery.Attributes.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key}={pair.Value}").ShouldBe(["empty=", "reason=weil's schön ist"]);
        delivery.MessageId.ShouldBe(ids.ShouldHaveSingleItem());
        delivery.Subscription.ShouldBe(SubscriptionName);
        delivery.PublishTimeMicros.ShouldBeInRange(before, before + 120_000_000);
    }

    [SkippableFact]
    public async Task The_publishers_trace_goes_on_in_the_subscriber_and_its_span_ends_when_the_message_is_settled()
    {
        SkipWithoutServer();
        var ended = new ConcurrentQueue<Activity>();
        using var source = new ActivitySource($"shop {Project}");
        using var listener = new ActivityListener
        {
            ShouldListenTo = listened => listened.Name == source.Name || listened.Name == MessageTracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var connection = Connect();
        await using var publisher = CreatePublisher(connection);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription);

        ActivityTraceId trace;
        using (var order = source.StartActivity("order")!)
        {
            trace = order.TraceId;
            await publisher.PublishAsync(Topic, [new OutgoingMessage(new byte[1], new Dictionary<string, string> { ["shop"] = "1" }, "")], default);
            Activity.Current.ShouldBe(order);
        }

        await Eventually.True(() => receiver.Count == 1, "the message arrives");
        receiver.Deliveries[0].Attributes["shop"].ShouldBe("1");
        receiver.Deliveries[0].Attributes["googclient_traceparent"].ShouldContain(trace.ToHexString());
        var spans = Of(trace);
        spans.Select(span => span.DisplayName).ShouldBe([$"publish {Topic}", "order"], ignoreOrder: true);

        receiver.Deliveries[0].Ack();

        var process = Of(trace).Single(span => span.Kind == ActivityKind.Consumer);
        process.DisplayName.ShouldBe($"process {SubscriptionName}");
        process.ParentSpanId.ShouldBe(spans.Single(span => span.Kind == ActivityKind.Producer).SpanId);
        process.GetTagItem("messaging.message.id").ShouldBe(receiver.Deliveries[0].MessageId);

        // Tests that run beside this one are heard, too.
        Activity[] Of(ActivityTraceId id) => [.. ended.Where(span => span.TraceId == id)];
    }

    [SkippableFact]
    public async Task Setup_makes_what_is_missing_once_and_its_check_names_what_is_otherwise()
    {
        SkipWithoutServer();
        using var connection = Connect();
        var setup = new PubSubSetup(connection);
        SubscriptionPlan[] plans =
        [
            new() { Topic = "new", Subscription = "new-sub", AckDeadline = TimeSpan.FromSeconds(20), Consumes = true },
            new() { Topic = "letters", Subscription = "letters-sub", AckDeadline = TimeSpan.FromSeconds(20), Publishes = true },
        ];

        (await setup.CheckAsync(plans, default)).Differences.Count.ShouldBe(4);
        var planned = await setup.CreateMissingAsync(plans, dryRun: true, default);
        (await setup.CheckAsync(plans, default)).Differences.Count.ShouldBe(4);
        (await setup.CreateMissingAsync(plans, dryRun: false, default)).ShouldBe(planned);
        (await setup.CreateMissingAsync(plans, dryRun: false, default)).ShouldBeEmpty();
        var (differences, notChecked) = await setup.CheckAsync(plans, default);

        planned.Count.ShouldBe(4);
        differences.ShouldBeEmpty();
        notChecked.Count.ShouldBe(ServerKnowsPermissions ? 0 : 2);
        (await setup.CheckAsync([plans[0] with { Topic = "letters", AckDeadline = TimeSpan.FromSeconds(30), ExactlyOnce = true }], default))
            .Differences.Select(line => line.Split(": ")[1]).ShouldBe(
            [
                $"its topic is projects/{Project}/topics/new, not projects/{Project}/topics/letters",
                "its ack deadline is 20 s, not 30 s",
                "exactly-once delivery is off, not on",
            ]);
    }

    [SkippableFact]
    public async Task Acks_empty_what_is_outstanding_and_acked_messages_do_not_come_again()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await PublishAsync(connection, 1_000);
        await using (var subscription = Subscribe(connection, SubscriptionName))
        {
            await using var receiver = new Receiver(subscription);
            await Eventually.True(() => receiver.Count == 1_000, "all arrive");
            subscription.Status.OutstandingMessages.ShouldBe(1_000);
            subscription.Status.OutstandingBytes.ShouldBeGreaterThan(5_000);

            AckAll(receiver);
            AckAll(receiver);
            await subscription.FlushAsync(default);

            subscription.Status.OutstandingMessages.ShouldBe(0);
            subscription.Status.OutstandingBytes.ShouldBe(0);
        }

        await ShouldHoldNothingAsync(connection);
    }

    [SkippableFact]
    public async Task Messages_of_one_call_arrive_in_its_order()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());

        await PublishAsync(connection, 500);

        await Eventually.True(() => receiver.Count >= 500, "all arrive");
        receiver.Texts.ShouldBe(Enumerable.Range(0, 500).Select(n => $"message {n}"), ignoreOrder: !ClientKeepsOrder);
    }

    [SkippableFact]
    public async Task A_nacked_message_comes_again_at_once()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var subscription = Subscribe(connection, SubscriptionName);
        var nacks = 0;
        await using var receiver = new Receiver(subscription, delivery =>
        {
            if (Interlocked.Increment(ref nacks) <= 10)
            {
                delivery.Nack();
                delivery.Ack();
            }
        });
        await PublishAsync(connection, 10);

        await Eventually.True(() => receiver.Count == 20, "all come twice", within: TimeSpan.FromSeconds(9));

        receiver.Texts.Skip(10).Order().ShouldBe(receiver.Texts.Take(10).Order());
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task No_more_than_the_bound_is_handed_out_over_all_streams_and_acks_let_the_rest_come(int streams)
    {
        SkipWithoutServer();
        using var connection = Connect($"ecomstream.pubsub.subscriber {{ max-outstanding-messages = 100, streams = {streams} }}");
        await PublishAsync(connection, 1_000);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 100, "the bound is reached");

        for (var acked = 0; acked < 1_000;)
        {
            var deliveries = receiver.Deliveries;
            (deliveries.Count - acked).ShouldBeLessThanOrEqualTo(100);
            if (ServerKeepsFlowControl)
            {
                subscription.Status.OutstandingMessages.ShouldBeLessThanOrEqualTo(100);
            }

            foreach (var delivery in deliveries.Skip(acked))
            {
                delivery.Ack();
            }

            acked = deliveries.Count;
            await Eventually.True(() => receiver.Count > acked || acked == 1_000, "more come");
        }

        receiver.Texts.Distinct().Count().ShouldBe(1_000);
    }

    [SkippableFact]
    public async Task The_bound_on_bytes_holds_and_a_larger_message_still_comes()
    {
        SkipWithoutServer();
        using var connection = Connect("ecomstream.pubsub.subscriber.max-outstanding-bytes = 10000");
        await using var publisher = CreatePublisher(connection);
        await publisher.PublishAsync(Topic, [.. Enumerable.Range(0, 50).Select(_ => Message(new byte[1_000]))], default);
        await publisher.PublishAsync(Topic, [Message(new byte[50_000])], default);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription);

        for (var acked = 0; acked < 51;)
        {
            await Eventually.True(() => receiver.Count > acked, "more come");
            var deliveries = receiver.Deliveries;
            var open = deliveries.Skip(acked).ToArray();
            var counted = open.Sum(delivery => delivery.Data.Length) - (ClientCountsTheLastMessage ? 0 : open.Max(delivery => delivery.Data.Length));
            (open.Length == 1 || counted <= 10_000).ShouldBeTrue();
            foreach (var delivery in open)
            {
                delivery.Ack();
            }

            acked = deliveries.Count;
        }
    }

    [SkippableFact]
    public async Task Disposing_sends_the_acks_and_gives_the_rest_back_at_once()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await PublishAsync(connection, 300);
        IReadOnlyList<Delivery> first;
        await using (var subscription = Subscribe(connection, SubscriptionName))
        {
            await using var receiver = new Receiver(subscription);
            await Eventually.True(() => receiver.Count == 300, "all arrive");
            first = receiver.Deliveries;
            foreach (var delivery in first.Take(100))
            {
                delivery.Ack();
            }
        }

        await using var next = Subscribe(connection, SubscriptionName);
        await using var again = new Receiver(next, delivery => delivery.Ack());
        await Eventually.True(() => again.Count == 200, "the rest comes, long before its deadline", within: TimeSpan.FromSeconds(9));
        again.Deliveries.Select(delivery => delivery.MessageId).Order()
            .ShouldBe(first.Skip(100).Select(delivery => delivery.MessageId).Order());

        // Settling what was given back does nothing.
        foreach (var delivery in first)
        {
            delivery.Ack();
        }
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task After_the_disposal_it_is_known_whether_the_broker_leases_anything_to_the_reader(int streams)
    {
        SkipWithoutServer();
        using var connection = Connect($"ecomstream.pubsub.subscriber.streams = {streams}");
        await using (var unread = Subscribe(connection, SubscriptionName))
        {
            await unread.DisposeAsync();
            unread.GaveEverythingBack.ShouldBeTrue("nothing was read");
        }

        await PublishAsync(connection, 100);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using (var receiver = new Receiver(subscription, delivery => delivery.Ack()))
        {
            await Eventually.True(() => receiver.Count == 100 && subscription.Status is { IsReading: true }, "all arrive");
            subscription.GaveEverythingBack.ShouldBeFalse();
        }

        await subscription.DisposeAsync();
        subscription.GaveEverythingBack.ShouldBeTrue();
        await ShouldHoldNothingAsync(connection);
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Messages_that_are_nacked_at_the_disposal_are_given_back_if_the_subscription_has_no_retry_policy(bool isProbed)
    {
        SkipWithoutServer();
        using var connection = Connect();
        await PublishAsync(connection, 10);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using (var receiver = new Receiver(subscription))
        {
            await Eventually.True(() => receiver.Count == 10, "all arrive");
            if (isProbed)
            {
                await subscription.ProbeAsync(default);
            }
        }

        await subscription.DisposeAsync();
        subscription.GaveEverythingBack.ShouldBe(isProbed && ProbeTellsRetryPolicy);
    }

    [SkippableFact]
    public async Task Without_a_connection_to_the_broker_at_the_disposal_not_everything_is_given_back()
    {
        SkipWithoutServer();
        await using var proxy = new TcpProxy(Endpoint);
        using var direct = Connect();
        using var connection = PubSubConnection.Create(TestSettings.Of(
            proxy.Endpoint, Project, "ecomstream.pubsub { subscriber.close-timeout = 2s, connection.request-timeout = 1s }"));
        await PublishAsync(direct, 10);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using (var receiver = new Receiver(subscription))
        {
            await Eventually.True(() => receiver.Count == 10, "all arrive");
            proxy.Refuse(true);
            proxy.Cut();
            AckAll(receiver);
        }

        await subscription.DisposeAsync();
        subscription.GaveEverythingBack.ShouldBeFalse();
    }

    [SkippableTheory]
    [InlineData("1h")]
    [InlineData("20s")]
    public async Task Stopping_ends_the_enumeration_and_what_was_received_can_still_be_settled(string maxExtension)
    {
        SkipWithoutServer();
        using var connection = Connect($"ecomstream.pubsub.subscriber {{ ack-deadline = 10s, max-ack-deadline = 20s, max-extension = {maxExtension} }}");
        await using var subscription = Subscribe(connection, SubscriptionName);
        var receiver = new Receiver(subscription);
        await PublishAsync(connection, 50);
        await Eventually.True(() => receiver.Count == 50, "all arrive");

        await receiver.StopAsync();
        subscription.Status.ShouldBe(new SubscriptionStatus(false, 50, subscription.Status.OutstandingBytes));
        AckAll(receiver);
        await subscription.FlushAsync(default);
        subscription.Status.OutstandingMessages.ShouldBe(0);

        await using var second = new Receiver(subscription, delivery => delivery.Ack());
        await PublishAsync(connection, 1, "later");
        await Eventually.True(() => second.Count == 1, "another enumeration receives");
        second.Texts.ShouldBe(["later 0"]);
    }

    [SkippableFact]
    public async Task What_is_on_its_way_when_the_reading_stops_is_given_back_at_once()
    {
        SkipWithoutServer();
        using var connection = Connect("ecomstream.pubsub.subscriber.max-outstanding-messages = 100000");
        await PublishAsync(connection, 30_000);
        var seen = new HashSet<string>();
        await using (var first = Subscribe(connection, SubscriptionName))
        {
            await foreach (var batch in first.ReceiveAsync(default))
            {
                foreach (var delivery in batch)
                {
                    seen.Add(delivery.MessageId);
                    delivery.Ack();
                }

                if (seen.Count >= 2_000)
                {
                    break;
                }
            }
        }

        await using var second = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(second, delivery => delivery.Ack());
        await Eventually.True(
            () => receiver.Count >= 30_000 - seen.Count, "the rest comes, long before its deadline", within: TimeSpan.FromSeconds(20));
        receiver.Deliveries.Select(delivery => delivery.MessageId).Concat(seen).Distinct().Count().ShouldBe(30_000);
    }

    [SkippableFact]
    public async Task Two_enumerations_at_once_are_an_error_of_the_caller()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => subscription.Status.IsReading, "the first is open");

        await using var second = new Receiver(subscription);
        await Should.ThrowAsync<InvalidOperationException>(second.Completion);
    }

    [SkippableFact]
    public async Task A_subscription_that_is_not_there_fails_and_says_which_where_and_what_to_do()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var subscription = Subscribe(connection, "no-such-sub");
        await using var receiver = new Receiver(subscription);

        var failure = await Should.ThrowAsync<SubscriptionFailedException>(receiver.Completion.WaitAsync(TimeSpan.FromSeconds(10)));

        failure.Message.ShouldContain($"projects/{Project}/subscriptions/no-such-sub");
        failure.Message.ShouldContain(Endpoint);
        failure.Message.ShouldContain("NOT_FOUND");
        failure.Message.ShouldContain("Create the subscription");
        subscription.Status.IsReading.ShouldBeFalse();

        await new PubSubAdmin(connection).EnsureSubscriptionAsync("no-such-sub", Topic, default);
        await using var later = new Receiver(subscription);
        await Eventually.True(() => subscription.Status.IsReading, "another enumeration after a failure");
    }

    [SkippableFact]
    public async Task Publishing_to_a_topic_that_is_not_there_fails_and_says_which_where_and_what_to_do()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var publisher = CreatePublisher(connection);

        var failure = await Should.ThrowAsync<PublishFailedException>(publisher.PublishAsync("no-such-topic", [Message([1])], default));

        failure.Message.ShouldContain($"projects/{Project}/topics/no-such-topic");
        failure.Message.ShouldContain(Endpoint);
        failure.Message.ShouldContain("NOT_FOUND");
    }

    [SkippableFact]
    public async Task A_call_beyond_the_limits_of_a_request_is_split_and_every_message_has_its_id()
    {
        SkipWithoutServer();
        using var connection = Connect("ecomstream.pubsub.publisher.batch-bytes = 100000");
        await using var publisher = CreatePublisher(connection);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        var messages = Enumerable.Range(0, 2_500).Select(n => Message(Encoding.UTF8.GetBytes($"message {n}"))).Append(Message(new byte[300_000])).ToArray();

        var ids = await publisher.PublishAsync(Topic, messages, default);

        ids.Distinct().Count().ShouldBe(messages.Length);
        await Eventually.True(() => receiver.Count >= messages.Length, "all arrive");
        var byId = receiver.Deliveries.ToDictionary(delivery => delivery.MessageId, delivery => delivery.Data);
        ids.Select(id => byId[id].Length).ShouldBe(messages.Select(message => message.Data.Length));
        (await publisher.PublishAsync(Topic, [], default)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_call_that_is_refused_says_which_of_its_messages_were_accepted()
    {
        SkipWithoutServer();
        using var connection = Connect("ecomstream.pubsub.publisher.batch-messages = 2");
        await using var publisher = CreatePublisher(connection);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());

        // No server accepts a message without data and attributes.
        OutgoingMessage[] messages = [Message([0]), Message([1]), Message([2]), Message([3]), Message([]), Message([5]), Message([6])];
        var refused = await Should.ThrowAsync<PublishFailedException>(publisher.PublishAsync(Topic, messages, default));

        refused.Fault.ShouldBe(PublishFault.Message);
        refused.Accepted.ShouldBe([0, 1, 2, 3]);
        refused.IsUncertain.ShouldBeFalse();
        await Eventually.True(() => receiver.Count >= 4, "the accepted ones arrive");
        receiver.Deliveries.Select(delivery => (int)delivery.Data.Span[0]).Order().ShouldBe([0, 1, 2, 3]);
    }

    [SkippableFact]
    public async Task A_call_with_different_ordering_keys_is_published_and_those_of_a_key_keep_their_order()
    {
        SkipWithoutServer();
        using var connection = Connect("ecomstream.pubsub.publisher.batch-messages = 10");
        await using var publisher = CreatePublisher(connection);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        var messages = Enumerable.Range(0, 200)
            .Select(n => new OutgoingMessage(Encoding.UTF8.GetBytes($"{n}"), Delivery.NoAttributes, n / 5 % 3 == 0 ? "" : $"key {n / 5 % 3}")).ToArray();

        var ids = await publisher.PublishAsync(Topic, messages, default);

        await Eventually.True(() => receiver.Count >= messages.Length, "all arrive");
        var received = receiver.Deliveries.Select(delivery => (delivery.MessageId, delivery.OrderingKey, int.Parse(Encoding.UTF8.GetString(delivery.Data.Span)))).ToArray();
        received.OrderBy(message => message.Item3).ShouldBe(messages.Select((message, n) => (ids[n], message.OrderingKey, n)));
        foreach (var ofKey in received.GroupBy(message => message.OrderingKey).Where(_ => ClientKeepsOrder))
        {
            ofKey.Select(message => message.Item3).ShouldBeInOrder();
        }
    }

    [SkippableFact]
    public async Task Many_callers_publish_side_by_side()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await using var publisher = CreatePublisher(connection);
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());

        var ids = await Task.WhenAll(Enumerable.Range(0, 32).Select(caller => publisher.PublishAsync(
            Topic, [.. Enumerable.Range(0, 20).Select(n => Message(Encoding.UTF8.GetBytes($"{caller}-{n}")))], default)));

        ids.SelectMany(some => some).Distinct().Count().ShouldBe(640);
        await Eventually.True(() => receiver.Texts.Distinct().Count() == 640, "all arrive");
    }

    [SkippableFact]
    public async Task Several_streams_bring_every_message_once()
    {
        SkipWithoutServer();
        using var connection = Connect("ecomstream.pubsub.subscriber.streams = 4");
        await using var subscription = Subscribe(connection, SubscriptionName);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());

        await PublishAsync(connection, 5_000);

        await Eventually.True(() => receiver.Texts.Distinct().Count() == 5_000, "all arrive");
        await subscription.FlushAsync(default);
        receiver.Count.ShouldBe(5_000);
    }

    [SkippableFact]
    public async Task Admin_makes_what_is_missing_and_says_what_is_there()
    {
        SkipWithoutServer();
        using var connection = Connect();
        var admin = new PubSubAdmin(connection);

        (await admin.EnsureTopicAsync(Topic, default)).ShouldBeFalse();
        (await admin.EnsureSubscriptionAsync(SubscriptionName, Topic, default)).ShouldBeFalse();
        (await admin.TopicExistsAsync(Topic, default)).ShouldBeTrue();
        (await admin.TopicExistsAsync("no-such-topic", default)).ShouldBeFalse();
        (await admin.GetSubscriptionAsync("no-such-sub", default)).ShouldBeNull();
        var found = (await admin.GetSubscriptionAsync(SubscriptionName, default)).ShouldNotBeNull();
        found.Topic.ShouldBe($"projects/{Project}/topics/{Topic}");
        found.AckDeadline.ShouldBe(TimeSpan.FromSeconds(60));
        (await Should.ThrowAsync<PubSubAdminException>(admin.EnsureSubscriptionAsync("another-sub", "no-such-topic", default)))
            .Message.ShouldContain("NOT_FOUND");
    }

    [SkippableFact]
    public async Task A_source_streams_batches_and_its_control_stops_and_drains_it()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await PublishAsync(connection, 200);
        using var system = ActorSystem.Create("source");
        using var materializer = system.Materializer();
        var seen = new List<Delivery>();
        var (control, done) = PubSubSource.Committable(connection, SubscriptionName)
            .ToMaterialized(
                Sink.ForEach<IReadOnlyList<Delivery>>(batch =>
                {
                    lock (seen)
                    {
                        seen.AddRange(batch);
                    }
                }),
                Keep.Both)
            .Run(materializer);
        await Eventually.True(
            () =>
            {
                lock (seen)
                {
                    return seen.Count == 200;
                }
            },
            "all arrive");

        var drained = control.DrainAsync(default);
        await done.WaitAsync(TimeSpan.FromSeconds(10));
        drained.IsCompleted.ShouldBeFalse();
        foreach (var delivery in seen)
        {
            delivery.Ack();
        }

        await drained.WaitAsync(TimeSpan.FromSeconds(10));
        await control.DisposeAsync();
        await ShouldHoldNothingAsync(connection);
    }

    [SkippableFact]
    public async Task A_source_of_a_subscription_that_is_not_there_fails()
    {
        SkipWithoutServer();
        using var connection = Connect();
        using var system = ActorSystem.Create("source");
        using var materializer = system.Materializer();

        var (control, done) = PubSubSource.Plain(connection, "no-such-sub")
            .ToMaterialized(Sink.Ignore<IReadOnlyList<Delivery>>(), Keep.Both)
            .Run(materializer);

        var failure = await Should.ThrowAsync<Exception>(done.WaitAsync(TimeSpan.FromSeconds(10)));
        (failure as AggregateException)?.InnerException.ShouldBeOfType<SubscriptionFailedException>();
        failure.Message.ShouldContain("NOT_FOUND");
        await control.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_stream_of_published_messages_is_received_with_context_and_committed()
    {
        SkipWithoutServer();
        using var connection = Connect();
        using var system = ActorSystem.Create("source");
        using var materializer = system.Materializer();
        await using var publisher = new BatchingPublisher(connection, Topic);
        var ids = await Source.From(Enumerable.Range(0, 500))
            .Select(i => new OutgoingMessage(Encoding.UTF8.GetBytes($"{i}"), Delivery.NoAttributes))
            .Via(PubSubFlow.Publish(publisher))
            .RunWith(Sink.Seq<string>(), materializer)
            .WaitAsync(TimeSpan.FromSeconds(20));
        ids.Distinct().Count().ShouldBe(500);

        var received = new ConcurrentDictionary<string, string>();
        var (control, done) = PubSubSource.CommittableWithContext(connection, SubscriptionName)
            .Select(delivery => received[delivery.MessageId] = Encoding.UTF8.GetString(delivery.Data.Span))
            .ToMaterialized(PubSubSink.CommitContext<string>(), Keep.Both)
            .Run(materializer);
        await Eventually.True(() => received.Count == 500, "all arrive");
        await control.DrainAsync(default).WaitAsync(TimeSpan.FromSeconds(10));
        await done.WaitAsync(TimeSpan.FromSeconds(10));
        control.Status.OutstandingMessages.ShouldBe(0);
        received.Keys.ShouldBe(ids, ignoreOrder: true);
        await control.DisposeAsync();
    }

    [SkippableFact]
    public async Task A_source_whose_control_nobody_holds_is_closed_when_what_it_let_through_is_settled()
    {
        SkipWithoutServer();
        using var connection = Connect();
        await PublishAsync(connection, 10);
        using var system = ActorSystem.Create("source");
        using var materializer = system.Materializer();
        var opened = new ConcurrentQueue<PubSubSubscription>();
        var source = RestartSource.OnFailuresWithBackoff(
            () => Source.FromGraph(new PubSubSourceStage(() =>
            {
                var subscription = new PubSubSubscription(connection, SubscriptionName);
                opened.Enqueue(subscription);
                return subscription;
            })).Select(batch => opened.Count == 1 ? throw new InvalidOperationException("The first one fails.") : batch),
            RestartSettings.Create(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(10), 0));

        var batches = source.TakeWhile(_ => false, inclusive: true).RunWith(Sink.Seq<IReadOnlyList<Delivery>>(), materializer);

        // What the first was failed with is settled by nobody: it is given back at once.
        await Eventually.True(() => opened.Count == 2 && opened.First().IsDisposed, "the first is closed and another is opened");
        var deliveries = (await batches.WaitAsync(TimeSpan.FromSeconds(5))).Single();
        opened.Last().IsDisposed.ShouldBeFalse();
        foreach (var delivery in deliveries)
        {
            delivery.Ack();
        }

        await Eventually.True(() => opened.Last().IsDisposed, "it is closed");
    }
}
