using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Subscriptions: made, read, listed, changed, detached and deleted.</summary>
public sealed class SubscriptionConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Properties, Emulator = "There is no default expiration policy.")]
    public Task Unset_fields_have_the_documented_defaults(ServerKind kind) => On(kind, async pubsub =>
    {
        var made = await pubsub.MakeAsync(s => s.AckDeadlineSeconds = 0);
        made.AckDeadlineSeconds.ShouldBe(10);
        made.MessageRetentionDuration.ToTimeSpan().ShouldBe(TimeSpan.FromDays(7));
        made.ExpirationPolicy.ShouldNotBeNull().Ttl.ToTimeSpan().ShouldBe(TimeSpan.FromDays(31));
        made.RetainAckedMessages.ShouldBeFalse();
        made.DeadLetterPolicy.ShouldBeNull();
        made.RetryPolicy.ShouldBeNull();
        made.Detached.ShouldBeFalse();
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "State is not set.")]
    public Task The_state_of_a_subscription_is_active(ServerKind kind) => On(kind, async pubsub =>
        (await pubsub.MakeAsync()).State.ShouldBe(Subscription.Types.State.Active));

    [SkippableTheory]
    [OnBoth(References.Properties)]
    public Task A_subscription_comes_back_as_it_was_made(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.NameOfTopic("dead") });
        await pubsub.MakeAsync(subscription =>
        {
            subscription.AckDeadlineSeconds = 20;
            subscription.RetainAckedMessages = true;
            subscription.MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromHours(1));
            subscription.Labels["team"] = "shop";
            subscription.EnableMessageOrdering = true;
            subscription.ExpirationPolicy = new ExpirationPolicy { Ttl = Duration.FromTimeSpan(TimeSpan.FromDays(2)) };
            subscription.Filter = "attributes:origin";
            subscription.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = pubsub.NameOfTopic("dead"), MaxDeliveryAttempts = 7 };
            subscription.RetryPolicy = new RetryPolicy { MinimumBackoff = new() { Seconds = 5 }, MaximumBackoff = new() { Seconds = 50 } };
            subscription.EnableExactlyOnceDelivery = true;
        });
        var read = await GetAsync(pubsub);
        read.Name.ShouldBe(pubsub.Subscription);
        read.Topic.ShouldBe(pubsub.Topic);
        read.AckDeadlineSeconds.ShouldBe(20);
        read.RetainAckedMessages.ShouldBeTrue();
        read.MessageRetentionDuration.ToTimeSpan().ShouldBe(TimeSpan.FromHours(1));
        read.Labels["team"].ShouldBe("shop");
        read.EnableMessageOrdering.ShouldBeTrue();
        read.ExpirationPolicy.Ttl.ToTimeSpan().ShouldBe(TimeSpan.FromDays(2));
        read.Filter.ShouldBe("attributes:origin");
        read.DeadLetterPolicy.MaxDeliveryAttempts.ShouldBe(7);
        read.RetryPolicy.MaximumBackoff.Seconds.ShouldBe(50);
        read.EnableExactlyOnceDelivery.ShouldBeTrue();
    });

    [SkippableTheory]
    [OnBoth(References.Properties)]
    public Task A_subscription_without_an_expiration_never_expires(ServerKind kind) => On(kind, async pubsub =>
    {
        var made = await pubsub.MakeAsync(subscription => subscription.ExpirationPolicy = new ExpirationPolicy());
        made.ExpirationPolicy.ShouldNotBeNull().Ttl.ShouldBeNull();
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_subscription_without_a_name_is_given_one(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        (await pubsub.Subscriber.CreateSubscriptionAsync(new Subscription { Topic = pubsub.Topic })).Name.ShouldStartWith($"{pubsub.Project}/subscriptions/");
    });

    [SkippableTheory]
    [OnBoth(References.Names)]
    public Task Names_out_of_the_rules_are_refused(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        foreach (var name in (string[])["orders-sub", pubsub.NameOfSubscription("ab"), pubsub.NameOfSubscription("googsub"), pubsub.NameOfTopic("orders-sub")])
        {
            (await StatusOf(pubsub.Subscriber.CreateSubscriptionAsync(new Subscription { Name = name, Topic = pubsub.Topic })))
                .ShouldBe(StatusCode.InvalidArgument, name);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Errors)]
    public Task A_subscription_needs_its_topic_and_a_name_of_its_own(ServerKind kind) => On(kind, async pubsub =>
    {
        (await StatusOf(() => pubsub.SubscribeAsync("orders-sub"))).ShouldBe(StatusCode.NotFound);
        await pubsub.MakeAsync();
        (await StatusOf(() => pubsub.SubscribeAsync("orders-sub"))).ShouldBe(StatusCode.AlreadyExists);
    });

    [SkippableTheory]
    [OnBoth(References.Errors)]
    public Task Methods_for_missing_resources_return_NOT_FOUND(ServerKind kind) => On(kind, async pubsub =>
    {
        (await StatusOf(() => GetAsync(pubsub))).ShouldBe(StatusCode.NotFound);
        (await StatusOf(() => pubsub.PullAsync())).ShouldBe(StatusCode.NotFound);
        (await StatusOf(pubsub.Subscriber.AcknowledgeAsync(new AcknowledgeRequest { Subscription = pubsub.Subscription, AckIds = { "1" } })))
            .ShouldBe(StatusCode.NotFound);
        (await StatusOf(pubsub.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = pubsub.Subscription })))
            .ShouldBe(StatusCode.NotFound);
        using var stream = await pubsub.StreamAsync();
        (await StatusOf(stream)).ShouldBe(StatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Subscriptions_are_listed_in_pages(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        foreach (var n in Enumerable.Range(0, 5))
        {
            await pubsub.SubscribeAsync($"sub{n}");
        }

        var listed = new List<string>();
        var token = "";
        do
        {
            var page = await pubsub.Subscriber.ListSubscriptionsAsync(
                new ListSubscriptionsRequest { Project = pubsub.Project, PageSize = 2, PageToken = token });
            page.Subscriptions.Count.ShouldBeLessThanOrEqualTo(2);
            listed.AddRange(page.Subscriptions.Select(s => s.Name));
            token = page.NextPageToken;
        }
        while (token.Length > 0);
        listed.Order().ShouldBe(Enumerable.Range(0, 5).Select(n => pubsub.NameOfSubscription($"sub{n}")));
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "Some are accepted: of retention, expiration and backoff.")]
    public Task Out_of_range_settings_are_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        foreach (var (what, settings) in ((string, Action<Subscription>)[])
            [
                ("ack deadline 9", s => s.AckDeadlineSeconds = 9),
                ("ack deadline 601", s => s.AckDeadlineSeconds = 601),
                ("retention below 10 minutes", s => s.MessageRetentionDuration = new Duration { Seconds = 599 }),
                ("retention above 31 days", s => s.MessageRetentionDuration = new Duration { Seconds = (31 * 86_400) + 1 }),
                ("expiration below a day", s => s.ExpirationPolicy = new ExpirationPolicy { Ttl = new Duration { Seconds = 86_399 } }),
                ("backoff above 600 s", s => s.RetryPolicy = new RetryPolicy { MaximumBackoff = new Duration { Seconds = 601 } }),
                ("a negative backoff", s => s.RetryPolicy = new RetryPolicy { MinimumBackoff = new Duration { Seconds = -1 } }),
            ])
        {
            (await StatusOf(() => pubsub.SubscribeAsync("orders-sub", settings))).ShouldBe(StatusCode.InvalidArgument, what);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Rpc, Emulator = "Labels of a subscription cannot be updated.")]
    public Task An_update_changes_only_the_fields_in_its_mask(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s =>
        {
            s.AckDeadlineSeconds = 20;
            s.RetryPolicy = new RetryPolicy { MinimumBackoff = new() { Seconds = 5 } };
            s.Labels["team"] = "shop";
        });
        var updated = await UpdateAsync(pubsub, s => s.AckDeadlineSeconds = 45, "ack_deadline_seconds", "labels");
        updated.AckDeadlineSeconds.ShouldBe(45);
        updated.Labels.ShouldBeEmpty();
        updated.RetryPolicy.MinimumBackoff.Seconds.ShouldBe(5);
        (await UpdateAsync(pubsub, _ => { }, "retry_policy")).RetryPolicy.ShouldBeNull();
        (await UpdateAsync(pubsub, s => s.ExpirationPolicy = new ExpirationPolicy(), "expiration_policy")).ExpirationPolicy.Ttl.ShouldBeNull();
        updated = await UpdateAsync(pubsub, s => s.EnableExactlyOnceDelivery = true, "enable_exactly_once_delivery");
        updated.EnableExactlyOnceDelivery.ShouldBeTrue();
        updated.AckDeadlineSeconds.ShouldBe(45);
        (await GetAsync(pubsub)).ShouldBe(updated);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task An_update_out_of_bounds_changes_nothing(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.AckDeadlineSeconds = 10);
        (await StatusOf(() => UpdateAsync(pubsub, s => s.AckDeadlineSeconds = 601, "ack_deadline_seconds"))).ShouldBe(StatusCode.InvalidArgument);
        (await GetAsync(pubsub)).AckDeadlineSeconds.ShouldBe(10);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task What_is_fixed_cannot_be_updated(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        foreach (var path in (string[])["topic", "name", "filter", "enable_message_ordering"])
        {
            (await StatusOf(() => UpdateAsync(
                pubsub, s => (s.Topic, s.Filter, s.EnableMessageOrdering) = ("projects/p/topics/other", "attributes:origin", true), path)))
                .ShouldBe(StatusCode.InvalidArgument, path);
        }

        (await StatusOf(() => UpdateAsync(pubsub, _ => { }))).ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Detach, Emulator = "DetachSubscription is UNIMPLEMENTED.")]
    public Task A_detached_subscription_loses_its_backlog_and_cannot_be_pulled(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("gone");
        await pubsub.Publisher.DetachSubscriptionAsync(new DetachSubscriptionRequest { Subscription = pubsub.Subscription });
        (await GetAsync(pubsub)).Detached.ShouldBeTrue();
        (await StatusOf(() => pubsub.PullAsync())).ShouldBe(StatusCode.FailedPrecondition);
        using var stream = await pubsub.StreamAsync();
        (await StatusOf(stream)).ShouldBe(StatusCode.FailedPrecondition);
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task A_deleted_subscription_leaves_the_others(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.SubscribeAsync("second");
        await pubsub.PublishAsync("a");
        await pubsub.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = pubsub.Subscription });
        (await StatusOf(() => pubsub.PullAsync())).ShouldBe(StatusCode.NotFound);
        (await pubsub.PullExactlyAsync(1, pubsub.NameOfSubscription("second"))).Select(Text).ShouldBe(["a"]);

        // Made anew it has none of what was published before.
        await pubsub.SubscribeAsync("orders-sub");
        (await pubsub.PullAsync()).ShouldBeEmpty();
    });

    private static async Task<Subscription> GetAsync(PubSubUnderTest pubsub) =>
        await pubsub.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = pubsub.Subscription });

    private static async Task<Subscription> UpdateAsync(PubSubUnderTest pubsub, Action<Subscription> settings, params string[] paths)
    {
        var subscription = new Subscription { Name = pubsub.Subscription };
        settings(subscription);
        return await pubsub.Subscriber.UpdateSubscriptionAsync(
            new UpdateSubscriptionRequest { Subscription = subscription, UpdateMask = new FieldMask { Paths = { paths } } });
    }
}
