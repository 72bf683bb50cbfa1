using Google.Cloud.Iam.V1;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Tests;

/// <summary>What the check says of subscriptions and permissions that no emulator has.</summary>
public sealed class PubSubSetupTests
{
    private const string Path = "projects/test/subscriptions/orders-sub";

    private static readonly SubscriptionPlan _plan = new()
    {
        Topic = "orders",
        Subscription = "orders-sub",
        AckDeadline = TimeSpan.FromSeconds(60),
        Retention = TimeSpan.FromDays(7),
        DeadLetterTopic = "undeliverable",
        MaxDeliveryAttempts = 5,
        Publishes = true,
        Consumes = true,
    };

    private readonly Subscription _found = new()
    {
        Name = Path,
        Topic = "projects/test/topics/orders",
        AckDeadlineSeconds = 60,
        MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromDays(7)),
        ExpirationPolicy = new ExpirationPolicy(),
        DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = "projects/test/topics/undeliverable", MaxDeliveryAttempts = 5 },
    };

    private string[] _held = ["pubsub.topics.publish", "pubsub.subscriptions.consume"];
    private StatusCode? _denied;

    [Fact]
    public async Task A_subscription_that_is_as_planned_has_no_differences() => (await CheckAsync()).ShouldBeEmpty();

    [Fact]
    public async Task Every_setting_that_keeps_messages_from_arriving_is_named()
    {
        _found.Detached = true;
        _found.Filter = "attributes:shop";
        _found.MessageRetentionDuration = Duration.FromTimeSpan(TimeSpan.FromHours(10));
        _found.DeadLetterPolicy.MaxDeliveryAttempts = 10;
        _found.ExpirationPolicy.Ttl = Duration.FromTimeSpan(TimeSpan.FromDays(31));
        _found.PushConfig = new PushConfig { PushEndpoint = "https://example.com" };

        (await CheckAsync()).ShouldBe(
            [
                $"subscription {Path}: it is detached from its topic, and receives nothing",
                $"subscription {Path}: it keeps messages for 10 h, not 168 h",
                $"subscription {Path}: its filter drops messages: attributes:shop",
                $"subscription {Path}: it pushes to https://example.com, and cannot be pulled",
                $"subscription {Path}: it is deleted when nobody has read it for 31 days",
                $"subscription {Path}: its dead-letter policy is projects/test/topics/undeliverable after 10 deliveries, "
                    + "not projects/test/topics/undeliverable after 5 deliveries",
            ]);
    }

    [Fact]
    public async Task A_dead_letter_policy_that_is_missing_is_named()
    {
        _found.DeadLetterPolicy = null;

        (await CheckAsync()).ShouldHaveSingleItem().ShouldContain("its dead-letter policy is none, not projects/test/topics/undeliverable");
    }

    [Fact]
    public async Task Permissions_that_this_account_does_not_have_are_named()
    {
        _held = [];

        (await CheckAsync()).ShouldBe(
            ["this account has no pubsub.topics.publish on projects/test/topics/orders", $"this account has no pubsub.subscriptions.consume on {Path}"]);
    }

    [Fact]
    public async Task Permissions_that_may_not_be_asked_for_are_a_difference()
    {
        _denied = StatusCode.PermissionDenied;

        (await CheckAsync()).ShouldAllBe(line => line.Contains("cannot be asked: PERMISSION_DENIED"));
    }

    private async Task<IReadOnlyList<string>> CheckAsync()
    {
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            switch (call.Method)
            {
                case "GetTopic":
                    await call.OkAsync(new Topic { Name = "found" });
                    break;
                case "GetSubscription":
                    await call.OkAsync(_found);
                    break;
                default:
                    var asked = (await call.ReadAsync<TestIamPermissionsRequest>())!.Permissions;
                    await (_denied is { } status
                        ? call.FailAsync(status)
                        : call.OkAsync(new TestIamPermissionsResponse { Permissions = { asked.Intersect(_held) } }));
                    break;
            }
        });
        using var connection = PubSubConnection.Create(TestSettings.Of(server.Endpoint));
        var (differences, left) = await new PubSubSetup(connection).CheckAsync([_plan], default);
        left.ShouldBeEmpty();
        return differences;
    }
}
