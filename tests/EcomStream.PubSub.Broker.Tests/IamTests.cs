using System.Net;
using Google.Cloud.Iam.V1;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Policies of topics, subscriptions and snapshots are stored and returned; a caller has every permission.</summary>
public sealed class IamTests : IDisposable
{
    private const string Snapshot = "projects/p/snapshots/before";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Policies_are_stored_and_returned_with_an_etag_also_after_an_update_and_a_restart()
    {
        string[] resources = [BrokerClient.Topic, BrokerClient.Subscription, Snapshot];
        var set = new Dictionary<string, Policy>();
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            using var channel = Channel(client);
            var iam = new IAMPolicy.IAMPolicyClient(channel);
            await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = Snapshot, Subscription = BrokerClient.Subscription });
            foreach (var resource in resources)
            {
                var none = await iam.GetIamPolicyAsync(new GetIamPolicyRequest { Resource = resource });
                (none.Bindings.Count, none.Etag.IsEmpty).ShouldBe((0, false));
                set[resource] = await iam.SetIamPolicyAsync(new SetIamPolicyRequest { Resource = resource, Policy = Publishers($"user:{resource}", none.Etag) });
                set[resource].Etag.ShouldNotBe(none.Etag);
            }

            await client.Publisher.UpdateTopicAsync(new UpdateTopicRequest
            {
                Topic = new Topic { Name = BrokerClient.Topic, Labels = { ["a"] = "b" } }, UpdateMask = new FieldMask { Paths = { "labels" } },
            });
            await client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
            {
                Subscription = new Subscription { Name = BrokerClient.Subscription, AckDeadlineSeconds = 44 }, UpdateMask = new FieldMask { Paths = { "ack_deadline_seconds" } },
            });
            await client.Subscriber.UpdateSnapshotAsync(new UpdateSnapshotRequest
            {
                Snapshot = new Snapshot { Name = Snapshot, Labels = { ["a"] = "b" } }, UpdateMask = new FieldMask { Paths = { "labels" } },
            });
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path);
        using var second = Channel(again);
        foreach (var resource in resources)
        {
            (await new IAMPolicy.IAMPolicyClient(second).GetIamPolicyAsync(new GetIamPolicyRequest { Resource = resource })).ShouldBe(set[resource]);
        }
    }

    [Fact]
    public async Task A_policy_is_not_replaced_by_one_that_was_made_of_an_older_one()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var channel = Channel(client);
        var iam = new IAMPolicy.IAMPolicyClient(channel);
        var first = await SetAsync(Publishers("user:a@shop.example"));
        await SetAsync(Publishers("user:b@shop.example", first.Etag));
        (await StatusOf(() => SetAsync(Publishers("user:c@shop.example", first.Etag)))).ShouldBe(StatusCode.Aborted);
        (await iam.GetIamPolicyAsync(new GetIamPolicyRequest { Resource = BrokerClient.Topic })).Bindings.Single().Members.ShouldBe(["user:b@shop.example"]);
        await SetAsync(Publishers("user:d@shop.example"));

        Task<Policy> SetAsync(Policy policy) => iam.SetIamPolicyAsync(new SetIamPolicyRequest { Resource = BrokerClient.Topic, Policy = policy }).ResponseAsync;
    }

    [Fact]
    public async Task A_caller_has_every_permission_on_what_exists_and_none_on_what_does_not()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var channel = Channel(client);
        var iam = new IAMPolicy.IAMPolicyClient(channel);
        (await TestAsync(BrokerClient.Topic, "pubsub.topics.publish", "pubsub.topics.get")).Permissions.ShouldBe(["pubsub.topics.publish", "pubsub.topics.get"]);
        (await TestAsync(BrokerClient.Subscription, "pubsub.subscriptions.consume")).Permissions.ShouldBe(["pubsub.subscriptions.consume"]);
        (await TestAsync("projects/p/topics/none", "pubsub.topics.publish")).Permissions.ShouldBeEmpty();
        (await StatusOf(() => TestAsync(BrokerClient.Topic, "pubsub.*"))).ShouldBe(StatusCode.InvalidArgument);

        Task<TestIamPermissionsResponse> TestAsync(string resource, params string[] permissions) =>
            iam.TestIamPermissionsAsync(new TestIamPermissionsRequest { Resource = resource, Permissions = { permissions } }).ResponseAsync;
    }

    [Fact]
    public async Task What_is_not_a_policy_or_has_none_is_rejected()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var channel = Channel(client);
        var iam = new IAMPolicy.IAMPolicyClient(channel);
        (await SetAsync(BrokerClient.Topic, null)).ShouldBe(StatusCode.InvalidArgument);
        (await SetAsync(BrokerClient.Topic, new Policy { Version = 2 })).ShouldBe(StatusCode.InvalidArgument);
        (await SetAsync(BrokerClient.Topic, new Policy { Bindings = { new Binding { Role = "roles/pubsub.editor" } } })).ShouldBe(StatusCode.InvalidArgument);
        (await SetAsync("projects/p/topics/none", new Policy())).ShouldBe(StatusCode.NotFound);
        (await SetAsync("projects/p", new Policy())).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(iam.GetIamPolicyAsync(new GetIamPolicyRequest { Resource = "projects/p/topics/none" }))).ShouldBe(StatusCode.NotFound);
        (await StatusOf(iam.GetIamPolicyAsync(new GetIamPolicyRequest { Resource = BrokerClient.Topic, Options = new() { RequestedPolicyVersion = 2 } }))).ShouldBe(StatusCode.InvalidArgument);

        Task<StatusCode> SetAsync(string resource, Policy? policy) => StatusOf(iam.SetIamPolicyAsync(new SetIamPolicyRequest { Resource = resource, Policy = policy }));
    }

    [Fact]
    public async Task Policies_are_set_read_and_tested_over_REST()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var rest = new RestClient(client.Broker.Endpoint);
        foreach (var resource in (string[])[BrokerClient.Topic, BrokerClient.Subscription])
        {
            const string Json = """{"policy":{"bindings":[{"role":"roles/pubsub.viewer","members":["allUsers"]}]}}""";
            await rest.CallAsync("POST", $"/v1/{resource}:setIamPolicy", Json);
            var policy = await rest.CallAsync("GET", $"/v1/{resource}:getIamPolicy?options.requestedPolicyVersion=3");
            policy.GetProperty("bindings")[0].GetProperty("members")[0].GetString().ShouldBe("allUsers");
            (await rest.SendAsync("POST", $"/v1/{resource}:setIamPolicy", """{"policy":{"etag":"AAAA"}}""")).Status.ShouldBe(HttpStatusCode.Conflict);
            (await rest.CallAsync("POST", $"/v1/{resource}:testIamPermissions", """{"permissions":["a.b.c"]}""")).GetProperty("permissions")[0].GetString().ShouldBe("a.b.c");
        }
    }

    private static Policy Publishers(string member, ByteString? etag = null) => new()
    {
        Etag = etag ?? ByteString.Empty,
        Bindings = { new Binding { Role = "roles/pubsub.publisher", Members = { member } } },
    };

    private static GrpcChannel Channel(BrokerClient client) => GrpcChannel.ForAddress($"http://{client.Broker.Endpoint}");
}
