using System.Net;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>The REST API on the port of gRPC.</summary>
public sealed class RestConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Rest)]
    public Task The_root_answers_200(ServerKind kind) => On(kind, async pubsub =>
        (await pubsub.Rest.CallAsync("GET", "/")).GetString().ShouldNotBeNull().Trim().ShouldBe("Ok"));

    [SkippableTheory]
    [OnBoth(References.Rest)]
    public Task Topics_and_subscriptions_are_created_read_listed_and_deleted(ServerKind kind) => On(kind, async pubsub =>
    {
        var topic = await pubsub.Rest.CallAsync("PUT", $"/v1/{pubsub.Topic}", """{"labels":{"team":"shop"}}""");
        topic.GetProperty("name").GetString().ShouldBe(pubsub.Topic);
        var subscription = await pubsub.Rest.CallAsync(
            "PUT", $"/v1/{pubsub.Subscription}", $$"""{"topic":"{{pubsub.Topic}}","ackDeadlineSeconds":33,"messageRetentionDuration":"3600s"}""");
        subscription.GetProperty("ackDeadlineSeconds").GetInt32().ShouldBe(33);

        (await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Topic}")).GetProperty("labels").GetProperty("team").GetString().ShouldBe("shop");
        (await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Subscription}?alt=json")).GetProperty("messageRetentionDuration").GetString().ShouldBe("3600s");
        (await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Topic}/subscriptions")).GetProperty("subscriptions")[0].GetString().ShouldBe(pubsub.Subscription);
        (await pubsub.Publisher.GetTopicAsync(new GetTopicRequest { Topic = pubsub.Topic })).Labels["team"].ShouldBe("shop");

        await pubsub.Rest.CallAsync("PUT", $"/v1/{pubsub.NameOfTopic("second")}");
        var page = await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Project}/topics?pageSize=1");
        page.GetProperty("topics").GetArrayLength().ShouldBe(1);
        var rest = await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Project}/topics?pageSize=1&pageToken={Uri.EscapeDataString(page.GetProperty("nextPageToken").GetString()!)}");
        rest.GetProperty("topics")[0].GetProperty("name").GetString().ShouldNotBe(page.GetProperty("topics")[0].GetProperty("name").GetString());

        (await pubsub.Rest.CallAsync("DELETE", $"/v1/{pubsub.Subscription}")).EnumerateObject().ShouldBeEmpty();
        (await pubsub.Rest.CallAsync("DELETE", $"/v1/{pubsub.Topic}")).EnumerateObject().ShouldBeEmpty();
        (await pubsub.Rest.SendAsync("GET", $"/v1/{pubsub.Topic}")).Status.ShouldBe(HttpStatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.Rest)]
    public Task A_subscription_is_updated_by_its_mask(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var updated = await pubsub.Rest.CallAsync(
            "PATCH", $"/v1/{pubsub.Subscription}", """{"subscription":{"ackDeadlineSeconds":44},"updateMask":"ackDeadlineSeconds"}""");
        updated.GetProperty("ackDeadlineSeconds").GetInt32().ShouldBe(44);
    });

    [SkippableTheory]
    [OnBoth(References.Rest)]
    public Task A_message_is_published_pulled_and_acked_with_data_in_base64(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        var ids = await pubsub.Rest.CallAsync(
            "POST", $"/v1/{pubsub.Topic}:publish", """{"messages":[{"data":"aGk/","attributes":{"a":"b"}},{"data":"aGk_"}]}""");
        ids.GetProperty("messageIds").GetArrayLength().ShouldBe(2);

        var first = (await pubsub.Rest.CallAsync("POST", $"/v1/{pubsub.Subscription}:pull", """{"maxMessages":1}""")).GetProperty("receivedMessages")[0];
        first.GetProperty("message").GetProperty("data").GetString().ShouldBe("aGk/");
        first.GetProperty("message").GetProperty("attributes").GetProperty("a").GetString().ShouldBe("b");
        first.GetProperty("message").GetProperty("messageId").GetString().ShouldBe(ids.GetProperty("messageIds")[0].GetString());
        first.GetProperty("message").GetProperty("publishTime").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddMinutes(-10));

        var ack = first.GetProperty("ackId").GetString();
        (await pubsub.Rest.CallAsync("POST", $"/v1/{pubsub.Subscription}:acknowledge", $$"""{"ackIds":["{{ack}}"]}""")).EnumerateObject().ShouldBeEmpty();
        var second = (await pubsub.PullExactlyAsync(1)).Single();
        second.Message.Data.ToStringUtf8().ShouldBe("hi?");
        await pubsub.Rest.CallAsync(
            "POST", $"/v1/{pubsub.Subscription}:modifyAckDeadline", $$"""{"ackIds":["{{second.AckId}}"],"ackDeadlineSeconds":0}""");
        (await pubsub.PullExactlyAsync(1)).Single().Message.MessageId.ShouldBe(second.Message.MessageId);
    });

    [SkippableTheory]
    [OnBoth(References.RestErrors)]
    public Task Errors_have_the_HTTP_status_of_their_code_and_name_it(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        foreach (var (method, path, json, status, name) in ((string, string, string?, HttpStatusCode, string)[])
            [
                ("GET", $"/v1/{pubsub.NameOfTopic("none")}", null, HttpStatusCode.NotFound, "NOT_FOUND"),
                ("PUT", $"/v1/{pubsub.Topic}", "{}", HttpStatusCode.Conflict, "ALREADY_EXISTS"),
                ("PUT", $"/v1/{pubsub.NameOfTopic("ab")}", "{}", HttpStatusCode.BadRequest, "INVALID_ARGUMENT"),
                ("POST", $"/v1/{pubsub.Topic}:publish", """{"messages":[{"data":"aGk/","unknown":1}]}""", HttpStatusCode.BadRequest, "INVALID_ARGUMENT"),
                ("POST", $"/v1/{pubsub.Topic}:publish", "{", HttpStatusCode.BadRequest, "INVALID_ARGUMENT"),
            ])
        {
            var answer = await pubsub.Rest.SendAsync(method, path, json);
            answer.Status.ShouldBe(status, $"{method} {path}");
            var error = answer.Body.GetProperty("error");
            error.GetProperty("code").GetInt32().ShouldBe((int)status);
            error.GetProperty("status").GetString().ShouldBe(name);
            error.GetProperty("message").GetString().ShouldNotBeNullOrEmpty();
        }
    });
}
