using System.Diagnostics;
using System.Net;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What the broker offers to tests: a seed file, faults, a reset, and a look at a backlog.</summary>
public sealed class TestControlTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_seed_file_makes_topics_and_subscriptions_at_each_start_and_after_a_reset()
    {
        var seed = Seed("""
            {
              // as the REST API takes them
              "topics": [{ "name": "projects/p/topics/orders", "labels": { "team": "shop" } }, { "name": "projects/p/topics/dead" }],
              "subscriptions": [{ "name": "projects/p/subscriptions/orders-sub", "topic": "projects/p/topics/orders", "ackDeadlineSeconds": 33,
                                  "deadLetterPolicy": { "deadLetterTopic": "projects/p/topics/dead" } }],
            }
            """);
        for (var start = 0; start < 2; start++)
        {
            await using var client = await BrokerClient.StartAsync(_folder.Path, o => o with { SeedFile = seed });
            var subscription = await client.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = BrokerClient.Subscription });
            (subscription.AckDeadlineSeconds, subscription.DeadLetterPolicy.DeadLetterTopic).ShouldBe((33, "projects/p/topics/dead"));
            await client.PublishAsync("message");
            client.Stats.Backlog.ShouldBe(start + 1);
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path, o => o with { SeedFile = seed });
        await again.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/other" });
        again.Broker.Reset();
        (await again.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.Select(topic => topic.Name)
            .ShouldBe(["projects/p/topics/dead", "projects/p/topics/orders"]);
        again.Stats.Backlog.ShouldBe(0);
    }

    [Theory]
    [InlineData("""{"topics":[{"name":"orders"}]}""", "orders: Invalid topic name")]
    [InlineData("""{"topic":[]}""", "it has 'topic'")]
    [InlineData("""{"topics":[{"name":"projects/p/topics/orders","colour":1}]}""", "colour")]
    [InlineData("""{"subscriptions":[{"name":"projects/p/subscriptions/sub","topic":"projects/p/topics/none"}]}""", "projects/p/topics/none does not exist")]
    [InlineData("""{""", "cannot be used")]
    [InlineData("""[]""", "cannot be used")]
    public async Task A_seed_file_that_cannot_be_used_is_named_with_what_is_wrong(string json, string reason)
    {
        var seed = Seed(json);
        var error = await Should.ThrowAsync<BrokerStartException>(() => EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { InMemory = true, SeedFile = seed }));
        error.Message.ShouldContain(seed);
        error.Message.ShouldContain(reason);
        (await Should.ThrowAsync<BrokerStartException>(() => EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder.Path, SeedFile = "/none.json" }))).Message.ShouldContain("/none.json");
        await using var free = await BrokerClient.StartAsync(_folder.Path);
    }

    [Fact]
    public async Task A_fault_answers_so_many_calls_of_its_method_with_an_error_over_gRPC_and_REST()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        using var rest = new RestClient(client.Broker.Endpoint);
        client.Broker.InjectFault(new BrokerFault("Publish") { Status = StatusCode.Unavailable, Times = 2 });
        (await StatusOf(() => client.PublishAsync("a"))).ShouldBe(StatusCode.Unavailable);
        (await rest.SendAsync("POST", $"/v1/{BrokerClient.Topic}:publish", """{"messages":[{"data":"aGk="}]}""")).Status.ShouldBe(HttpStatusCode.ServiceUnavailable);
        await client.PublishAsync("b");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["b"]);
    }

    [Fact]
    public async Task A_lost_answer_leaves_the_effect_so_that_a_retry_publishes_twice()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        client.Broker.InjectFault(new BrokerFault("Publish") { Status = StatusCode.Unavailable, AfterEffect = true, Times = 1 });
        (await StatusOf(() => client.PublishAsync("twice"))).ShouldBe(StatusCode.Unavailable);
        await client.PublishAsync("twice");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["twice", "twice"]);
    }

    [Fact]
    public async Task A_fault_delays_calls_until_it_is_removed_and_other_methods_go_on()
    {
        var delay = TimeSpan.FromMilliseconds(300);
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        using (client.Broker.InjectFault(new BrokerFault("Acknowledge") { Delay = delay }))
        {
            await client.PublishAsync("a");
            var messages = await client.PullAsync();
            var clock = Stopwatch.StartNew();
            await client.AckAsync(messages);
            clock.Elapsed.ShouldBeGreaterThanOrEqualTo(delay - TimeSpan.FromMilliseconds(20));
        }

        client.Broker.Faults.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_fault_of_StreamingPull_ends_the_stream_when_it_is_opened()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        const int Streams = 200;
        client.Broker.InjectFault(new BrokerFault(BrokerFault.AnyMethod) { Status = StatusCode.PermissionDenied, Times = Streams });
        await Parallel.ForAsync(0, Streams, async (_, _) =>
        {
            using var refused = await client.StreamAsync();
            (await StatusOf(refused)).ShouldBe(StatusCode.PermissionDenied);
        });
        await client.PublishAsync("a");
        using var stream = await client.StreamAsync();
        (await stream.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_fault_without_an_effect_is_refused()
    {
        await using var client = await BrokerClient.StartAsync("", o => o with { InMemory = true });
        Should.Throw<ArgumentException>(() => client.Broker.InjectFault(new BrokerFault("Publisch") { Status = StatusCode.Internal })).Message.ShouldContain("Publisch");
        Should.Throw<ArgumentException>(() => client.Broker.InjectFault(new BrokerFault("Publish")));
        Should.Throw<ArgumentException>(() => client.Broker.InjectFault(new BrokerFault("Publish") { Status = StatusCode.OK }));
        Should.Throw<ArgumentException>(() => client.Broker.InjectFault(new BrokerFault("Publish") { Status = StatusCode.Internal, Times = 0 }));
        Should.Throw<ArgumentException>(() => client.Broker.InjectFault(new BrokerFault("StreamingPull") { Status = StatusCode.Internal, AfterEffect = true }));
    }

    [Fact]
    public async Task The_admin_API_injects_lists_and_removes_faults_and_resets_where_it_is_allowed()
    {
        await using var client = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true, AdminApi = true });
        using var rest = new RestClient(client.Broker.Endpoint);
        await rest.CallAsync("POST", "/admin/v1/faults", """{"method":"Pull","status":"RESOURCE_EXHAUSTED","delayMilliseconds":1,"times":3}""");
        (await StatusOf(() => client.PullAsync())).ShouldBe(StatusCode.ResourceExhausted);
        var fault = (await rest.CallAsync("GET", "/admin/v1/faults")).GetProperty("faults")[0];
        (fault.GetProperty("method").GetString(), fault.GetProperty("status").GetString(), fault.GetProperty("times").GetInt32()).ShouldBe(("Pull", "RESOURCE_EXHAUSTED", 2));
        await rest.CallAsync("DELETE", "/admin/v1/faults");
        await client.PullAsync();
        foreach (var wrong in (string[])["{", "{}", """{"method":"Pull","status":"BAD"}""", """{"method":"Pull","status":"INTERNAL","colour":1}""", """{"method":"Pull","delayMilliseconds":-1}"""])
        {
            (await rest.SendAsync("POST", "/admin/v1/faults", wrong)).Status.ShouldBe(HttpStatusCode.BadRequest, wrong);
        }

        await rest.CallAsync("POST", "/admin/v1/reset");
        (await client.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.ShouldBeEmpty();

        await using var closed = await BrokerClient.StartReadyAsync("", o => o with { InMemory = true });
        using var outside = new RestClient(closed.Broker.Endpoint);
        (await outside.SendAsync("POST", "/admin/v1/reset")).Status.ShouldBe(HttpStatusCode.NotFound);
        closed.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task A_peek_shows_the_backlog_and_takes_nothing_of_it()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var rest = new RestClient(client.Broker.Endpoint);
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/europe", Topic = BrokerClient.Topic, Filter = "attributes.region = \"eu\"" });
        await client.PublishAsync("acked", "leased", "waiting");
        await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8("eu"), Attributes = { ["region"] = "eu" } } },
        });
        await client.AckAsync(await client.PullAsync(1));
        await client.PullAsync(1);
        for (var look = 0; look < 2; look++)
        {
            var peeked = (await rest.CallAsync("GET", $"/v1/{BrokerClient.Subscription}:peek?maxMessages=2")).GetProperty("messages").EnumerateArray().ToList();
            peeked.Select(message => System.Text.Encoding.UTF8.GetString(message.GetProperty("message").GetProperty("data").GetBytesFromBase64())).ShouldBe(["leased", "waiting"]);
            peeked.Select(message => message.TryGetProperty("leased", out var leased) && leased.GetBoolean()).ShouldBe([true, false]);
        }

        (await rest.CallAsync("GET", "/v1/projects/p/subscriptions/europe:peek")).GetProperty("messages").GetArrayLength().ShouldBe(1);
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["waiting", "eu"]);
    }

    private string Seed(string json)
    {
        var path = Path.Combine(_folder.Path, $"seed-{Guid.NewGuid():n}.json");
        File.WriteAllText(path, json);
        return path;
    }
}
