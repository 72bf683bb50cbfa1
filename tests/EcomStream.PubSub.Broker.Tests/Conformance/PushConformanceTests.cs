using System.Text;
using EcomStream.PubSub.Broker.Tests.Push;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Messages that are pushed to an HTTP endpoint.</summary>
public sealed class PushConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Push)]
    public Task A_message_is_pushed_wrapped_in_JSON(ServerKind kind) => On(kind, async pubsub =>
    {
        await using var endpoint = await PushEndpoint.StartAsync();
        await pubsub.MakeAsync(s => s.PushConfig = new PushConfig { PushEndpoint = endpoint.Url });
        var ids = await pubsub.PublishAsync(new PubsubMessage { Data = ByteString.CopyFromUtf8("hello"), Attributes = { ["a"] = "b" } });

        await Eventually.True(() => endpoint.Received.All.Count == 1, "the message is pushed");
        var pushed = endpoint.Received.All[0];
        pushed.Headers["content-type"].ShouldStartWith("application/json");
        pushed.Json.GetProperty("subscription").GetString().ShouldBe(pubsub.Subscription);
        var message = pushed.Json.GetProperty("message");
        pushed.Data.ShouldBe("hello");
        message.GetProperty("attributes").GetProperty("a").GetString().ShouldBe("b");
        foreach (var name in (string[])["messageId", "message_id"])
        {
            message.GetProperty(name).GetString().ShouldBe(ids[0]);
        }

        foreach (var name in (string[])["publishTime", "publish_time"])
        {
            message.GetProperty(name).GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddMinutes(-10));
        }
    });

    [SkippableTheory]
    [OnBoth(References.Push)]
    public Task A_message_is_pushed_again_until_the_endpoint_answers_with_success(ServerKind kind) => On(kind, async pubsub =>
    {
        var answers = new Queue<int>([500, 302, 204]);
        await using var endpoint = await PushEndpoint.StartAsync(_ => answers.TryDequeue(out var answer) ? answer : 204);
        await pubsub.MakeAsync(s => s.PushConfig = new PushConfig { PushEndpoint = endpoint.Url });
        await pubsub.PublishAsync("again");
        for (var i = 0; i < 40 && endpoint.Received.All.Count < 3; i++)
        {
            await pubsub.PassAsync(TimeSpan.FromMilliseconds(400));
            await Task.Delay(50);
        }

        await pubsub.PassAsync(TimeSpan.FromSeconds(2));
        endpoint.Received.All.Select(pushed => pushed.Data).ShouldBe(["again", "again", "again"]);
    });

    [SkippableTheory]
    [OnBoth(References.Unwrapping)]
    public Task Unwrapped_the_body_is_the_data_and_headers_carry_the_metadata_where_asked_for(ServerKind kind) => On(kind, async pubsub =>
    {
        await using var bare = await PushEndpoint.StartAsync();
        await using var withMetadata = await PushEndpoint.StartAsync();
        await pubsub.MakeAsync(s => s.PushConfig = new PushConfig { PushEndpoint = bare.Url, NoWrapper = new() });
        await pubsub.SubscribeAsync("second", s => s.PushConfig = new PushConfig { PushEndpoint = withMetadata.Url, NoWrapper = new() { WriteMetadata = true } });
        var ids = await pubsub.PublishAsync(new PubsubMessage { Data = ByteString.CopyFromUtf8("""{"a":1}"""), Attributes = { ["source"] = "test" } });

        await Eventually.True(() => bare.Received.All.Count == 1 && withMetadata.Received.All.Count == 1, "the message is pushed to both");
        foreach (var endpoint in (PushEndpoint[])[bare, withMetadata])
        {
            Encoding.UTF8.GetString(endpoint.Received.All[0].Body).ShouldBe("""{"a":1}""");
        }

        bare.Received.All[0].Headers.Keys.ShouldNotContain("x-goog-pubsub-message-id");
        bare.Received.All[0].Headers.Keys.ShouldNotContain("source");
        var headers = withMetadata.Received.All[0].Headers;
        headers["x-goog-pubsub-message-id"].ShouldBe(ids[0]);
        headers["x-goog-pubsub-subscription-name"].ShouldBe(pubsub.NameOfSubscription("second"));
        headers["x-goog-pubsub-publish-time"].ShouldNotBeEmpty();
        headers["source"].ShouldBe("test");
    });

    [SkippableTheory]
    [OnBoth(References.PushTokens, Emulator = "No token is sent.")]
    public Task Requests_carry_a_token_if_the_subscription_has_an_oidc_token(ServerKind kind) => On(kind, async pubsub =>
    {
        await using var endpoint = await PushEndpoint.StartAsync();
        await pubsub.MakeAsync(s => s.PushConfig = new PushConfig
        {
            PushEndpoint = endpoint.Url, OidcToken = new() { ServiceAccountEmail = "pusher@shop.example", Audience = "shop" },
        });
        await pubsub.PublishAsync("signed");
        await Eventually.True(() => endpoint.Received.All.Count == 1, "the message is pushed");
        endpoint.Received.All[0].Headers.Keys.ShouldContain("authorization");
        endpoint.Received.All[0].Headers["authorization"].ShouldStartWith("Bearer ");
    });

    [SkippableTheory]
    [OnBoth(References.Push)]
    public Task Without_a_push_config_messages_are_pulled_and_with_one_pushed_whenever_it_is_set(ServerKind kind) => On(kind, async pubsub =>
    {
        await using var endpoint = await PushEndpoint.StartAsync();
        await pubsub.MakeAsync();
        await ModifyAsync(new PushConfig { PushEndpoint = endpoint.Url });
        (await pubsub.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = pubsub.Subscription })).PushConfig.PushEndpoint.ShouldBe(endpoint.Url);
        await pubsub.PublishAsync("pushed");
        await Eventually.True(() => endpoint.Received.All.Count == 1, "the message is pushed");

        await ModifyAsync(new PushConfig());
        await pubsub.PublishAsync("pulled");
        (await pubsub.PullExactlyAsync(1)).Select(Text).ShouldBe(["pulled"]);
        endpoint.Received.All.Count.ShouldBe(1);

        async Task ModifyAsync(PushConfig config) =>
            await pubsub.Subscriber.ModifyPushConfigAsync(new ModifyPushConfigRequest { Subscription = pubsub.Subscription, PushConfig = config });
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task An_endpoint_that_is_not_a_URL_is_refused(ServerKind kind) => On(kind, async pubsub =>
        (await StatusOf(() => pubsub.MakeAsync(s => s.PushConfig = new PushConfig { PushEndpoint = "nonsense" }))).ShouldBe(StatusCode.InvalidArgument));

    [SkippableTheory]
    [OnBoth(References.Errors, Emulator = "A pull from a subscription that pushes answers without a message.")]
    public Task A_subscription_that_pushes_cannot_be_pulled_from(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync(s => s.PushConfig = new PushConfig { PushEndpoint = "http://127.0.0.1:9/push" });
        (await StatusOf(() => pubsub.PullAsync())).ShouldBe(StatusCode.FailedPrecondition);
    });
}
