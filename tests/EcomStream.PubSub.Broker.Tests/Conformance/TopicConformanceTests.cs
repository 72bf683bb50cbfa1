using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Topics: made, read, listed, changed and deleted.</summary>
public sealed class TopicConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_topic_comes_back_as_it_was_made(ServerKind kind) => On(kind, async pubsub =>
    {
        var made = await pubsub.Publisher.CreateTopicAsync(new Topic
        {
            Name = pubsub.Topic,
            Labels = { ["team"] = "shop", ["stage"] = "test-1" },
            MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromHours(1)),
        });
        made.Name.ShouldBe(pubsub.Topic);
        var read = await pubsub.Publisher.GetTopicAsync(new GetTopicRequest { Topic = pubsub.Topic });
        read.Labels.ShouldBe(made.Labels);
        read.Labels["stage"].ShouldBe("test-1");
        read.MessageRetentionDuration.ToTimeSpan().ShouldBe(TimeSpan.FromHours(1));
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "State is not set.")]
    public Task The_state_of_a_topic_is_active(ServerKind kind) => On(kind, async pubsub =>
        (await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic })).State.ShouldBe(Topic.Types.State.Active));

    [SkippableTheory]
    [OnBoth(References.Names)]
    public Task Names_out_of_the_rules_are_refused(ServerKind kind) => On(kind, async pubsub =>
    {
        foreach (var name in (string[])
            [
                "orders", pubsub.NameOfTopic("ab"), pubsub.NameOfTopic("googtopic"), pubsub.NameOfTopic("1abc"), pubsub.NameOfTopic("a/bc"),
                pubsub.NameOfTopic("topic with spaces"), pubsub.NameOfTopic(new string('a', 256)), pubsub.NameOfSubscription("orders"),
            ])
        {
            (await StatusOf(pubsub.Publisher.CreateTopicAsync(new Topic { Name = name }))).ShouldBe(StatusCode.InvalidArgument, name);
        }

        foreach (var id in (string[])["abc", "a-b_c.d~e+f%g1", new string('a', 255)])
        {
            (await StatusOf(pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.NameOfTopic(id) }))).ShouldBe(StatusCode.OK, id);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Errors)]
    public Task What_exists_cannot_be_made_again(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        (await StatusOf(pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic }))).ShouldBe(StatusCode.AlreadyExists);
    });

    [SkippableTheory]
    [OnBoth(References.Errors, Emulator = "The subscriptions of a topic that does not exist are an empty list.")]
    public Task Methods_for_missing_resources_return_NOT_FOUND(ServerKind kind) => On(kind, async pubsub =>
    {
        (await StatusOf(pubsub.Publisher.GetTopicAsync(new GetTopicRequest { Topic = pubsub.Topic }))).ShouldBe(StatusCode.NotFound);
        (await StatusOf(pubsub.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = pubsub.Topic }))).ShouldBe(StatusCode.NotFound);
        (await StatusOf(() => pubsub.PublishAsync("lost"))).ShouldBe(StatusCode.NotFound);
        (await StatusOf(pubsub.Publisher.ListTopicSubscriptionsAsync(new ListTopicSubscriptionsRequest { Topic = pubsub.Topic })))
            .ShouldBe(StatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Topics_are_listed_in_pages(ServerKind kind) => On(kind, async pubsub =>
    {
        var names = Enumerable.Range(0, 5).Select(n => pubsub.NameOfTopic($"topic{n}")).ToList();
        foreach (var name in names)
        {
            await pubsub.Publisher.CreateTopicAsync(new Topic { Name = name });
        }

        var listed = new List<string>();
        var token = "";
        do
        {
            var page = await pubsub.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = pubsub.Project, PageSize = 2, PageToken = token });
            page.Topics.Count.ShouldBeLessThanOrEqualTo(2);
            listed.AddRange(page.Topics.Select(topic => topic.Name));
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        listed.Order().ShouldBe(names);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task The_subscriptions_of_a_topic_are_listed(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.SubscribeAsync("second");
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.NameOfTopic("other") });
        await pubsub.Subscriber.CreateSubscriptionAsync(new Subscription { Name = pubsub.NameOfSubscription("third"), Topic = pubsub.NameOfTopic("other") });
        var listed = await pubsub.Publisher.ListTopicSubscriptionsAsync(new ListTopicSubscriptionsRequest { Topic = pubsub.Topic });
        listed.Subscriptions.Order().ShouldBe([pubsub.Subscription, pubsub.NameOfSubscription("second")]);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "Labels of a topic cannot be updated.")]
    public Task An_update_changes_only_the_fields_in_its_mask(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic, Labels = { ["team"] = "shop" } });
        var updated = await pubsub.Publisher.UpdateTopicAsync(new UpdateTopicRequest
        {
            Topic = new Topic { Name = pubsub.Topic, MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromHours(2)) },
            UpdateMask = new FieldMask { Paths = { "message_retention_duration" } },
        });
        updated.Labels["team"].ShouldBe("shop");
        updated.MessageRetentionDuration.ToTimeSpan().ShouldBe(TimeSpan.FromHours(2));
        updated = await pubsub.Publisher.UpdateTopicAsync(new UpdateTopicRequest
        {
            Topic = new Topic { Name = pubsub.Topic, Labels = { ["owner"] = "me" } },
            UpdateMask = new FieldMask { Paths = { "labels" } },
        });
        updated.Labels.ShouldHaveSingleItem().Key.ShouldBe("owner");
        updated.MessageRetentionDuration.ToTimeSpan().ShouldBe(TimeSpan.FromHours(2));
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task An_update_without_a_mask_or_of_what_is_fixed_is_refused(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        foreach (var paths in (string[][])[[], ["name"], ["no_such_field"]])
        {
            var update = new UpdateTopicRequest { Topic = new Topic { Name = pubsub.Topic }, UpdateMask = new FieldMask { Paths = { paths } } };
            (await StatusOf(pubsub.Publisher.UpdateTopicAsync(update))).ShouldBe(StatusCode.InvalidArgument, string.Join(",", paths));
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Retention_is_ten_minutes_to_thirty_one_days(ServerKind kind) => On(kind, async pubsub =>
    {
        foreach (var (seconds, status) in ((long, StatusCode)[])
            [(599, StatusCode.InvalidArgument), (31 * 86_400 + 1, StatusCode.InvalidArgument), (600, StatusCode.OK)])
        {
            var topic = new Topic { Name = pubsub.Topic, MessageRetentionDuration = new Duration { Seconds = seconds } };
            (await StatusOf(pubsub.Publisher.CreateTopicAsync(topic))).ShouldBe(status, $"{seconds} s");
        }
    });

    [SkippableTheory]
    [OnBoth(References.Labels, Emulator = "Any label is accepted.")]
    public Task Invalid_labels_are_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        foreach (var (key, value) in ((string, string)[])[("Team", "shop"), ("1team", "shop"), ("team", "Shop"), ("team", new string('a', 64)), ("", "shop")])
        {
            var topic = new Topic { Name = pubsub.Topic, Labels = { [key] = value } };
            (await StatusOf(pubsub.Publisher.CreateTopicAsync(topic))).ShouldBe(StatusCode.InvalidArgument, $"{key}={value}");
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_deleted_topic_leaves_its_subscription_and_backlog(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("left");
        await pubsub.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = pubsub.Topic });
        (await pubsub.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = pubsub.Subscription })).Topic.ShouldBe("_deleted-topic_");
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["left"]);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_topic_made_anew_has_nothing_of_the_deleted_one(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = pubsub.Topic });
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        await pubsub.SubscribeAsync("anew");
        await pubsub.PublishAsync("to the new one");
        (await pubsub.PullExactlyAsync(1, pubsub.NameOfSubscription("anew"))).Select(Text).ShouldBe(["to the new one"]);
        (await pubsub.PullAsync()).ShouldBeEmpty();
        (await pubsub.Publisher.ListTopicSubscriptionsAsync(new ListTopicSubscriptionsRequest { Topic = pubsub.Topic }))
            .Subscriptions.ShouldBe([pubsub.NameOfSubscription("anew")]);
    });
}
