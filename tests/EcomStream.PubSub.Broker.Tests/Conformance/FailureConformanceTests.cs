using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>What happens to messages that are not acked: dead-letter policy and retry policy.</summary>
public sealed class FailureConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.DeadLetters)]
    public Task Attempts_are_counted_with_a_dead_letter_policy(ServerKind kind) => On(kind, async pubsub =>
    {
        await WithDeadLettersAsync(pubsub);
        await pubsub.PublishAsync("a");
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var received = await pubsub.PullExactlyAsync(1);
            received[0].DeliveryAttempt.ShouldBe(attempt);
            await pubsub.NackAsync(received);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Attempts_are_not_told_without_a_dead_letter_policy(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        await pubsub.NackAsync(await pubsub.PullExactlyAsync(1));
        (await pubsub.PullExactlyAsync(1))[0].DeliveryAttempt.ShouldBe(0);
    });

    [SkippableTheory]
    [OnBoth(References.DeadLetters, Emulator = "Nothing is forwarded to the dead-letter topic.")]
    public Task An_undeliverable_message_is_forwarded_with_attributes_that_name_its_source(ServerKind kind) => On(kind, async pubsub =>
    {
        await WithDeadLettersAsync(pubsub);
        await pubsub.PublishAsync(new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFromUtf8("bad"), Attributes = { ["origin"] = "test" } });
        await FailAsync(pubsub, times: 5);
        await pubsub.PassAsync(TimeSpan.FromSeconds(1));
        var letter = (await pubsub.PullExactlyAsync(1, pubsub.NameOfSubscription("dead-sub")))[0].Message;
        letter.Data.ToStringUtf8().ShouldBe("bad");
        letter.Attributes["origin"].ShouldBe("test");
        letter.Attributes["CloudPubSubDeadLetterSourceDeliveryCount"].ShouldBe("5");
        letter.Attributes["CloudPubSubDeadLetterSourceSubscription"].ShouldBe("orders-sub");
        letter.Attributes["CloudPubSubDeadLetterSourceSubscriptionProject"].ShouldBe(pubsub.Project["projects/".Length..]);
        letter.Attributes.ShouldContainKey("CloudPubSubDeadLetterSourceTopicPublishTime");
        (await pubsub.PullAsync()).ShouldBeEmpty();
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "A dead-letter policy is not checked.")]
    public Task A_dead_letter_policy_requires_an_existing_topic_and_5_to_100_attempts(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.NameOfTopic("dead") });
        foreach (var (topic, attempts, status) in ((string, int, StatusCode)[])
            [("none", 5, StatusCode.NotFound), ("dead", 4, StatusCode.InvalidArgument), ("dead", 101, StatusCode.InvalidArgument)])
        {
            (await StatusOf(() => pubsub.SubscribeAsync("orders-sub", s =>
                s.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = pubsub.NameOfTopic(topic), MaxDeliveryAttempts = attempts })))
                .ShouldBe(status, $"{topic} {attempts}");
        }

        (await pubsub.SubscribeAsync("orders-sub", s => s.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = pubsub.NameOfTopic("dead") }))
            .DeadLetterPolicy.MaxDeliveryAttempts.ShouldBe(5);
    });

    [SkippableTheory]
    [OnBoth(References.Retry, Emulator = "Retry policies are kept and not applied.")]
    public Task A_retry_policy_delays_the_redelivery_of_a_nacked_message(ServerKind kind) => On(kind, async pubsub =>
    {
        await WithBackoffAsync(pubsub, 4, 10);
        await pubsub.PublishAsync("a");
        await pubsub.NackAsync(await pubsub.PullExactlyAsync(1));
        await pubsub.NothingComesAsync(TimeSpan.FromSeconds(2));
        await pubsub.PassAsync(TimeSpan.FromSeconds(4));
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["a"]);
    });

    [SkippableTheory]
    [OnBoth(References.Retry, Emulator = "Retry policies are kept and not applied.")]
    public Task The_backoff_grows_with_each_failure_up_to_its_maximum(ServerKind kind) => On(kind, async pubsub =>
    {
        await WithBackoffAsync(pubsub, 2, 8);
        await pubsub.PublishAsync("a");

        // 2, 4, 8, 8 seconds.
        foreach (var (before, after) in ((double, double)[])[(1, 2), (3, 2), (7, 2), (7, 2)])
        {
            await pubsub.NackAsync(await pubsub.PullExactlyAsync(1));
            await pubsub.NothingComesAsync(TimeSpan.FromSeconds(before));
            await pubsub.PassAsync(TimeSpan.FromSeconds(after));
        }

        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["a"]);
    });

    private static async Task WithDeadLettersAsync(PubSubUnderTest pubsub)
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.NameOfTopic("dead") });
        await pubsub.Subscriber.CreateSubscriptionAsync(new Subscription { Name = pubsub.NameOfSubscription("dead-sub"), Topic = pubsub.NameOfTopic("dead") });
        await pubsub.MakeAsync(s => s.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = pubsub.NameOfTopic("dead"), MaxDeliveryAttempts = 5 });
    }

    private static Task<Subscription> WithBackoffAsync(PubSubUnderTest pubsub, int least, int most) => pubsub.MakeAsync(s => s.RetryPolicy = new RetryPolicy
    {
        MinimumBackoff = new Duration { Seconds = least },
        MaximumBackoff = new Duration { Seconds = most },
    });

    private static async Task FailAsync(PubSubUnderTest pubsub, int times)
    {
        for (var attempt = 0; attempt < times; attempt++)
        {
            await pubsub.NackAsync(await pubsub.PullExactlyAsync(1));
        }
    }
}
