using System.Net;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Policies and permissions.</summary>
public sealed class IamConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Iam, Emulator = "IAMPolicy is UNIMPLEMENTED.")]
    public Task A_policy_is_set_read_and_tested(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var set = await pubsub.Rest.SendAsync(
            "POST", $"/v1/{pubsub.Topic}:setIamPolicy", """{"policy":{"bindings":[{"role":"roles/pubsub.viewer","members":["allUsers"]}]}}""");
        set.Status.ShouldBe(HttpStatusCode.OK);
        (await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Topic}:getIamPolicy")).GetProperty("etag").GetString().ShouldBe(set.Body.GetProperty("etag").GetString());
        (await pubsub.Rest.CallAsync("POST", $"/v1/{pubsub.Topic}:testIamPermissions", """{"permissions":["pubsub.topics.publish"]}"""))
            .GetProperty("permissions")[0].GetString().ShouldBe("pubsub.topics.publish");
    });
}
