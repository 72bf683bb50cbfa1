using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EcomStream.PubSub.Broker.Push;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Push;

/// <summary>What the broker pushes, beyond what the emulator does as well.</summary>
public sealed class PushTests : IDisposable
{
    private const string Name = "projects/p/subscriptions/pushed";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_message_is_pushed_and_acked_also_those_from_before_a_restart()
    {
        await using var endpoint = await PushEndpoint.StartAsync(202);
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await SubscribeAsync(client, endpoint.Url);
            await client.PublishManyAsync(1_000);
            await EmptyAsync(client);
            await client.Subscriber.ModifyPushConfigAsync(new ModifyPushConfigRequest { Subscription = Name, PushConfig = new PushConfig { PushEndpoint = "http://127.0.0.1:9/" } });
            await client.PublishAsync("after the restart");
        }

        endpoint.Received.All.Select(pushed => pushed.Data).Order().ShouldBe(Enumerable.Range(0, 1_000).Select(i => $"message {i}").Order());
        await using var again = await BrokerClient.StartAsync(_folder.Path);
        await again.Subscriber.ModifyPushConfigAsync(new ModifyPushConfigRequest { Subscription = Name, PushConfig = new PushConfig { PushEndpoint = endpoint.Url } });
        await EmptyAsync(again);
        endpoint.Received.All[^1].Data.ShouldBe("after the restart");
    }

    [Fact]
    public async Task Status_102_is_success()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await SubscribeAsync(client, $"http://{listener.LocalEndpoint}/");
        await client.PublishAsync("processing");
        using var connection = await listener.AcceptTcpClientAsync().WaitAsync(TimeSpan.FromSeconds(20));
        var stream = connection.GetStream();
        var buffer = new byte[64 << 10];
        (await stream.ReadAsync(buffer)).ShouldBeGreaterThan(0);
        await stream.WriteAsync("HTTP/1.1 102 Processing\r\n\r\n"u8.ToArray());
        await EmptyAsync(client);
    }

    [Fact]
    public async Task Messages_of_an_ordering_key_are_pushed_one_after_the_other_and_in_order_also_after_a_failure()
    {
        var failed = 0;
        await using var endpoint = await PushEndpoint.StartAsync(
            pushed => pushed.Data == "a3" && Interlocked.Exchange(ref failed, 1) == 0 ? 503 : 200, () => Task.Delay(2));
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await SubscribeAsync(client, endpoint.Url, s => s.EnableMessageOrdering = true);
        var request = new PublishRequest { Topic = BrokerClient.Topic };
        request.Messages.AddRange(Enumerable.Range(0, 10).Select(i => new PubsubMessage { Data = ByteString.CopyFromUtf8($"a{i}"), OrderingKey = "a" }));
        await client.Publisher.PublishAsync(request);
        await EmptyAsync(client);
        endpoint.Received.All.Select(pushed => pushed.Data).ShouldBe(["a0", "a1", "a2", "a3", "a3", "a4", "a5", "a6", "a7", "a8", "a9"]);
        endpoint.Received.All[0].Json.GetProperty("message").GetProperty("orderingKey").GetString().ShouldBe("a");
        endpoint.Most.ShouldBe(1);
    }

    [Fact]
    public async Task A_message_that_is_refused_too_often_is_forwarded_with_its_attempts_counted()
    {
        const string Dead = "projects/p/topics/dead";
        await using var endpoint = await PushEndpoint.StartAsync(400);
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.Publisher.CreateTopicAsync(new Topic { Name = Dead });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/dead-sub", Topic = Dead });
        await SubscribeAsync(client, endpoint.Url, s =>
        {
            s.DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = Dead, MaxDeliveryAttempts = 5 };
            s.RetryPolicy = new RetryPolicy { MinimumBackoff = new Duration(), MaximumBackoff = new Duration() };
        });
        await client.PublishAsync("bad");
        await EmptyAsync(client);
        endpoint.Received.All.Select(pushed => pushed.Json.GetProperty("deliveryAttempt").GetInt32()).ShouldBe([1, 2, 3, 4, 5]);
        var dead = await client.Subscriber.PullAsync(new PullRequest { Subscription = "projects/p/subscriptions/dead-sub", MaxMessages = 1 });
        dead.ReceivedMessages.Single().Message.Data.ToStringUtf8().ShouldBe("bad");
    }

    [Fact]
    public async Task A_token_names_its_audience_and_is_verified_by_the_key_that_the_discovery_document_leads_to()
    {
        await using var endpoint = await PushEndpoint.StartAsync();
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await SubscribeAsync(client, endpoint.Url, s => s.PushConfig.OidcToken = new() { ServiceAccountEmail = "pusher@shop.example", Audience = "shop" });
        await client.PublishAsync("signed");
        await EmptyAsync(client);

        var token = endpoint.Received.All[0].Headers["authorization"].Split(' ') is ["Bearer", var bearer] ? bearer.Split('.') : [];
        var header = Json(token[0]);
        var claims = Json(token[1]);
        claims.GetProperty("aud").GetString().ShouldBe("shop");
        claims.GetProperty("email").GetString().ShouldBe("pusher@shop.example");
        claims.GetProperty("email_verified").GetBoolean().ShouldBeTrue();
        DateTimeOffset.FromUnixTimeSeconds(claims.GetProperty("exp").GetInt64()).ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddMinutes(20));

        using var http = new HttpClient();
        var issuer = claims.GetProperty("iss").GetString()!;
        var discovery = JsonDocument.Parse(await http.GetStringAsync($"{issuer}/.well-known/openid-configuration")).RootElement;
        discovery.GetProperty("issuer").GetString().ShouldBe(issuer);
        var keys = JsonDocument.Parse(await http.GetStringAsync(discovery.GetProperty("jwks_uri").GetString())).RootElement.GetProperty("keys");
        var key = keys.EnumerateArray().Single(k => k.GetProperty("kid").GetString() == header.GetProperty("kid").GetString());
        using var rsa = RSA.Create(new RSAParameters
        {
            Modulus = Bytes(key.GetProperty("n").GetString()!), Exponent = Bytes(key.GetProperty("e").GetString()!),
        });
        rsa.VerifyData(Encoding.ASCII.GetBytes($"{token[0]}.{token[1]}"), Bytes(token[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).ShouldBeTrue();

        static JsonElement Json(string part) => JsonDocument.Parse(Bytes(part)).RootElement;
        static byte[] Bytes(string part) => System.Buffers.Text.Base64Url.DecodeFromChars(part);
    }

    [Fact]
    public async Task Unwrapped_attributes_that_cannot_or_must_not_be_headers_are_left_out()
    {
        await using var endpoint = await PushEndpoint.StartAsync();
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await SubscribeAsync(client, endpoint.Url, s => s.PushConfig.NoWrapper = new() { WriteMetadata = true });
        await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic,
            Messages =
            {
                new PubsubMessage
                {
                    Data = ByteString.CopyFromUtf8("x"),
                    Attributes =
                    {
                        ["content-type"] = "text/csv", ["host"] = "evil.example", ["content-length"] = "900", ["with space"] = "a", ["umlaut"] = "ä", ["line"] = "a\r\nb: c",
                        ["x-goog-pubsub-message-id"] = "1", ["fine"] = "yes",
                    },
                },
            },
        });
        await EmptyAsync(client);
        var headers = endpoint.Received.All.ShouldHaveSingleItem().Headers;
        (headers["content-type"], headers["fine"], headers["content-length"]).ShouldBe(("text/csv", "yes", "1"));
        headers["host"].ShouldStartWith("127.0.0.1");
        headers["x-goog-pubsub-message-id"].ShouldNotBe("1");
        headers.Keys.Intersect(["with space", "umlaut", "line", "b"]).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_settings_come_back_and_what_contradicts_them_is_rejected()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var config = new PushConfig
        {
            PushEndpoint = "https://shop.example/push", Attributes = { ["x-goog-version"] = "v1" }, NoWrapper = new() { WriteMetadata = true },
            OidcToken = new() { ServiceAccountEmail = "a@shop.example", Audience = "b" },
        };
        (await SubscribeAsync(client, "", s => s.PushConfig = config)).PushConfig.ShouldBe(config);
        (await client.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = Name })).PushConfig.ShouldBe(config);
        (await StatusOf(() => SubscribeAsync(client, "https://shop.example", s => (s.Name, s.EnableExactlyOnceDelivery) = (Name + "2", true)))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => SubscribeAsync(client, "https://shop.example", s => (s.Name, s.PushConfig.OidcToken) = (Name + "2", new())))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
        {
            Subscription = new Subscription { Name = Name, EnableExactlyOnceDelivery = true }, UpdateMask = new FieldMask { Paths = { "enable_exactly_once_delivery" } },
        }))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(client.Subscriber.ModifyPushConfigAsync(new ModifyPushConfigRequest { Subscription = Name + "3", PushConfig = config }))).ShouldBe(StatusCode.NotFound);
    }

    [SkippableFact]
    public async Task An_endpoint_in_Node_gets_what_the_official_client_publishes()
    {
        OfficialNodeClient.SkipWhereItIsNot();
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { InMemory = true });
        var said = JsonDocument.Parse(await OfficialNodeClient.RunAsync("push.cjs", broker.Endpoint)).RootElement;
        var received = said.GetProperty("received").EnumerateArray().ShouldHaveSingleItem();
        received.GetProperty("text").GetString().ShouldBe("hello");
        received.GetProperty("color").GetString().ShouldBe("red");
        received.GetProperty("id").GetString().ShouldBe(said.GetProperty("id").GetString());
        received.GetProperty("subscription").GetString().ShouldBe("projects/outside/subscriptions/pushed-sub");
        received.GetProperty("bearer").GetBoolean().ShouldBeTrue();
        said.GetProperty("endpointAfterwards").GetString().ShouldBeEmpty();
    }

    [Fact]
    public void The_window_doubles_with_each_round_of_successes_and_halves_with_a_failure()
    {
        var window = new PushWindow();
        var first = window.Size;
        for (var i = 0; i < first; i++)
        {
            window.Succeeded();
        }

        window.Size.ShouldBe(2 * first);
        window.Failed();
        window.Size.ShouldBe(first);
        for (var i = 0; i < 5_000; i++)
        {
            window.Succeeded();
        }

        window.Size.ShouldBe(PushWindow.Largest);
    }

    [Fact]
    public void The_backoff_doubles_while_deliveries_fail_up_to_a_minute_and_ends_with_a_success()
    {
        var window = new PushWindow();
        window.TakeBackoff().ShouldBe(TimeSpan.Zero);
        window.Failed();
        window.Failed();
        window.TakeBackoff().ShouldBe(TimeSpan.FromMilliseconds(100));
        window.TakeBackoff().ShouldBe(TimeSpan.Zero);
        window.Failed();
        window.TakeBackoff().ShouldBe(TimeSpan.FromMilliseconds(200));
        for (var i = 0; i < 40; i++)
        {
            window.Failed();
            window.TakeBackoff().ShouldBeLessThanOrEqualTo(TimeSpan.FromSeconds(60));
        }

        window.Failed();
        window.Succeeded();
        window.TakeBackoff().ShouldBe(TimeSpan.Zero);
        window.Failed();
        window.TakeBackoff().ShouldBe(TimeSpan.FromMilliseconds(100));
    }

    private static async Task<Subscription> SubscribeAsync(BrokerClient client, string endpoint, Action<Subscription>? settings = null)
    {
        var subscription = new Subscription { Name = Name, Topic = BrokerClient.Topic, PushConfig = new PushConfig { PushEndpoint = endpoint } };
        settings?.Invoke(subscription);
        return await client.Subscriber.CreateSubscriptionAsync(subscription);
    }

    private static Task EmptyAsync(BrokerClient client) =>
        Eventually.True(() => client.Broker.GetSubscriptionStats(Name)!.Value.Backlog == 0, "every message is pushed and acked");
}
