using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Apis.Http;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.PubSub.Tests;

/// <summary>Credentials of every kind, with token servers that the test plays, and a Pub/Sub over TLS that asks for them.</summary>
[Trait("Speed", "Slow")]
public sealed class GoogleAccessTests : IDisposable
{
    private const string Account = "ecomstream@shop.iam.gserviceaccount.com";
    private const string Sts = "https://sts.example.com/v1/token";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");
    private readonly X509Certificate2 _authority = TestCertificates.Authority("CN=an authority");
    private readonly RSA _key = RSA.Create(2048);
    private readonly TokenServers _tokenServers = new();

    public GoogleAccessTests() => File.WriteAllText(PathOf("ca.pem"), _authority.ExportCertificatePem());

    public void Dispose()
    {
        _authority.Dispose();
        _key.Dispose();
        _tokenServers.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_service_accounts_key_signs_the_token_of_each_call_over_TLS_and_the_quota_project_is_named()
    {
        using var certificate = TestCertificates.Issue(_authority, "CN=pubsub", "127.0.0.1");
        await using var server = await ScriptedPubSub.StartAsync(
            call => call.Header("authorization") is null ? call.FailAsync(StatusCode.Unauthenticated) : call.OkAsync(new Topic { Name = "found" }),
            certificate);
        using var connection = await PubSubConnection.OpenAsync(Settings(KeyFile(), server.Endpoint, "credentials.quota-project = payer"));

        (await new PubSubAdmin(connection).TopicExistsAsync("orders_data", default)).ShouldBeTrue();

        var call = server.Calls.ShouldHaveSingleItem();
        call.Header("x-goog-user-project").ShouldBe("payer");
        var token = call.Header("authorization")!.Split(' ');
        token[0].ShouldBe("Bearer");
        var parts = token[1].Split('.');
        _key.VerifyData(
                Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Bytes(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .ShouldBeTrue();
        var claims = JsonDocument.Parse(Bytes(parts[1])).RootElement;
        claims.GetProperty("iss").GetString().ShouldBe(Account);
        claims.GetProperty("scope").GetString()!.ShouldContain("https://www.googleapis.com/auth/pubsub");
    }

    [Fact]
    public async Task A_server_whose_certificate_is_of_another_authority_is_not_spoken_to()
    {
        using var stranger = TestCertificates.Authority("CN=another authority");
        using var certificate = TestCertificates.Issue(stranger, "CN=pubsub", "127.0.0.1");
        await using var server = await ScriptedPubSub.StartAsync(call => call.OkAsync(new Topic()), certificate);
        using var connection = await PubSubConnection.OpenAsync(Settings(KeyFile(), server.Endpoint));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));

        await Should.ThrowAsync<OperationCanceledException>(new PubSubAdmin(connection).TopicExistsAsync("orders_data", patience.Token));

        server.Calls.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_connection_over_which_nothing_comes_any_more_is_left_for_a_new_one_soon_after_keep_alive()
    {
        using var certificate = TestCertificates.Issue(_authority, "CN=pubsub", "127.0.0.1");
        var acked = new ConcurrentQueue<string>();
        await using var server = await ScriptedPubSub.StartAsync(
            async call =>
            {
                if (call.Method == "StreamingPull")
                {
                    await call.ReadAsync<StreamingPullRequest>();
                    await call.WriteAsync(ScriptedCall.Messages(false, "a"));
                    await Task.Delay(Timeout.Infinite, call.Aborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
                else
                {
                    acked.Enqueue((await call.ReadAsync<AcknowledgeRequest>())!.AckIds.Single());
                    await call.OkAsync(new Empty());
                }
            },
            certificate);
        await using var proxy = new TcpProxy(server.Endpoint);
        using var connection = await PubSubConnection.OpenAsync(
            Settings(KeyFile(), proxy.Endpoint, "connection { keep-alive = 1s, request-timeout = 1s }\nsubscriber.close-timeout = 1s"));
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 1, "a message arrives");

        proxy.Blackhole();
        receiver.Deliveries[0].Ack();

        await Eventually.True(
            () => proxy.Accepted == 2 && receiver.Count == 2 && !acked.IsEmpty, "the stream and the acks go over a new one", TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Workload_identity_exchanges_the_token_of_another_provider()
    {
        _tokenServers.Answer(Sts, """{"access_token":"federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}""");

        var access = await LoadAsync(Settings(FederationFile()));

        (await access.HeadersAsync(default)).ShouldContain(("authorization", "Bearer federated"));
        _tokenServers.Requests.ShouldHaveSingleItem().Body.ShouldContain("subject_token=from-the-other-provider");
    }

    [Fact]
    public async Task Impersonation_asks_for_the_token_of_the_other_account_with_the_own_one()
    {
        _tokenServers.Answer(Sts, """{"access_token":"federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}""");
        _tokenServers.Answer(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reader@shop.iam.gserviceaccount.com:generateAccessToken",
            // The client of the tokens compares it with the system's clock.
            $$"""{"accessToken":"impersonated","expireTime":"{{DateTime.UtcNow.AddHours(1):yyyy-MM-ddTHH:mm:ssZ}}"}""");

        var access = await LoadAsync(Settings(FederationFile(), hocon: "credentials.impersonate = \"reader@shop.iam.gserviceaccount.com\""));

        (await access.HeadersAsync(default)).ShouldContain(("authorization", "Bearer impersonated"));
        access.Description.ShouldContain("acting as reader@shop.iam.gserviceaccount.com");
        _tokenServers.Requests[^1].Authorization.ShouldBe("Bearer federated");
    }

    [Fact]
    public async Task A_token_that_is_refused_fails_at_the_start_with_what_was_tried_and_why()
    {
        _tokenServers.Answer(Sts, """{"error":"invalid_grant","error_description":"The subject token has expired"}""", HttpStatusCode.BadRequest);
        var file = FederationFile();

        var error = await Should.ThrowAsync<PubSubCredentialsException>(LoadAsync(Settings(file)));

        error.Message.ShouldContain(file);
        error.Message.ShouldContain("invalid_grant");
        error.Message.ShouldNotContain("from-the-other-provider");
    }

    [Fact]
    public async Task A_token_server_that_does_not_answer_is_asked_again_with_the_next_call()
    {
        _tokenServers.Down = true;
        var access = await LoadAsync(Settings(FederationFile()));
        _tokenServers.Down = false;
        _tokenServers.Answer(Sts, """{"access_token":"later","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}""");

        (await access.HeadersAsync(default)).ShouldContain(("authorization", "Bearer later"));
    }

    [Fact]
    public async Task A_credential_that_is_refused_while_running_ends_calls_with_UNAUTHENTICATED_and_a_token_server_that_is_out_of_order_does_not()
    {
        const string Token = """{"access_token":"a token","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":1}""";
        _tokenServers.Answer(Sts, Token);
        var access = await LoadAsync(Settings(FederationFile()));
        using var certificate = TestCertificates.Issue(_authority, "CN=pubsub", "127.0.0.1");
        await using var server = await ScriptedPubSub.StartAsync(call => call.OkAsync(new Topic { Name = "found" }), certificate);
        using var channel = GrpcChannel.ForAddress($"https://{server.Endpoint}", new GrpcChannelOptions
        {
            Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, access.ForCalls()),
            HttpHandler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, presented, _, _) => presented!.Issuer == _authority.Subject } },
        });
        var client = new Publisher.PublisherClient(channel);
        (await client.GetTopicAsync(new GetTopicRequest())).Name.ShouldBe("found");

        _tokenServers.Answer(Sts, "out of order", HttpStatusCode.ServiceUnavailable);
        var passing = await Should.ThrowAsync<RpcException>(async () => await client.GetTopicAsync(new GetTopicRequest()));
        _tokenServers.Answer(Sts, """{"error":"invalid_grant","error_description":"The account was deleted"}""", HttpStatusCode.BadRequest);
        var final = await Should.ThrowAsync<RpcException>(async () => await client.GetTopicAsync(new GetTopicRequest()));

        PubSubErrors.IsRetryable(passing).ShouldBeTrue(passing.Message);
        final.StatusCode.ShouldBe(StatusCode.Unauthenticated);
        final.Status.Detail.ShouldContain("The account was deleted");
        server.Calls.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(StatusCode.Unauthenticated, "UNAUTHENTICATED")]
    [InlineData(StatusCode.PermissionDenied, "PERMISSION_DENIED")]
    public async Task A_key_that_the_service_refuses_is_named_with_its_account_by_whatever_asks_first(StatusCode status, string name)
    {
        using var certificate = TestCertificates.Issue(_authority, "CN=pubsub", "127.0.0.1");
        await using var server = await ScriptedPubSub.StartAsync(call => call.FailAsync(status), certificate);
        var file = KeyFile();
        using var connection = await PubSubConnection.OpenAsync(Settings(file, server.Endpoint));
        await using var subscription = new PubSubSubscription(connection, "orders_data-sub");
        await using var receiver = new Receiver(subscription);
        await using var publisher = new PubSubPublisher(connection);

        Exception[] errors =
        [
            await Should.ThrowAsync<SubscriptionFailedException>(receiver.Completion.WaitAsync(TimeSpan.FromSeconds(10))),
            await Should.ThrowAsync<PublishFailedException>(publisher.PublishAsync("orders_data", [new OutgoingMessage(new byte[1], Delivery.NoAttributes)], default)),
            await Should.ThrowAsync<PubSubAdminException>(new PubSubAdmin(connection).TopicExistsAsync("orders_data", default)),
        ];

        errors.ShouldAllBe(error => error.Message.Contains(name) && error.Message.Contains(file) && error.Message.Contains(Account));
    }

    [Theory]
    [InlineData(null, "cannot be read")]
    [InlineData("no JSON", "cannot be read")]
    [InlineData("""{"type":"api_key"}""", "type 'api_key'")]
    [InlineData("""{"type":"service_account"}""", "cannot be read")]
    [InlineData("""{"type":"service_account","client_email":"a@b","private_key":"no key"}""", "cannot be read")]
    public async Task A_file_that_is_missing_or_wrong_is_named(string? content, string says)
    {
        var file = PathOf("wrong.json");
        if (content is not null)
        {
            File.WriteAllText(file, content);
        }

        var error = await Should.ThrowAsync<PubSubCredentialsException>(LoadAsync(Settings(file)));

        error.Message.ShouldContain(file);
        error.Message.ShouldContain(says);
    }

    [Fact]
    public async Task Credentials_of_another_universe_are_refused()
    {
        var error = await Should.ThrowAsync<PubSubCredentialsException>(LoadAsync(Settings(KeyFile(), hocon: "universe-domain = example.goog")));

        error.Message.ShouldContain("googleapis.com");
        error.Message.ShouldContain("universe-domain is example.goog");
    }

    [Fact]
    public async Task What_a_dead_letter_policy_needs_of_the_service_itself_is_said_and_left_unchecked()
    {
        using var certificate = TestCertificates.Issue(_authority, "CN=pubsub", "127.0.0.1");
        await using var server = await ScriptedPubSub.StartAsync(call => call.FailAsync(StatusCode.NotFound), certificate);
        using var connection = await PubSubConnection.OpenAsync(Settings(KeyFile(), server.Endpoint));
        var plan = new SubscriptionPlan { Topic = "orders", Subscription = "orders-sub", AckDeadline = TimeSpan.FromSeconds(60) };
        var setup = new PubSubSetup(connection);

        var (_, left) = await setup.CheckAsync([plan, plan with { DeadLetterTopic = "undeliverable", MaxDeliveryAttempts = 5 }], default);

        left.ShouldBe(setup.Grants([plan with { DeadLetterTopic = "undeliverable" }]));
        var grant = left.ShouldHaveSingleItem();
        grant.ShouldContain("gcp-sa-pubsub.iam.gserviceaccount.com");
        grant.ShouldContain("roles/pubsub.publisher on projects/test/topics/undeliverable");
        grant.ShouldContain("roles/pubsub.subscriber on projects/test/subscriptions/orders-sub");
    }

    private static byte[] Bytes(string base64Url)
    {
        var text = base64Url.Replace('-', '+').Replace('_', '/');
        return Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='));
    }

    private Task<GoogleAccess> LoadAsync(PubSubSettings settings) => GoogleAccess.LoadAsync(settings, NullLogger.Instance, default, _tokenServers);

    private PubSubSettings Settings(string file, string endpoint = "", string hocon = "") => TestSettings.Of(
        "",
        hocon: $$"""
        ecomstream.pubsub {
          endpoint = "{{endpoint}}"
          credentials.file = "{{file}}"
          connection.ca-file = "{{PathOf("ca.pem")}}"
          {{hocon}}
        }
        """);

    private string KeyFile()
    {
        var file = PathOf("key.json");
        File.WriteAllText(file, JsonSerializer.Serialize(new Dictionary<string, string>
        {
            ["type"] = "service_account",
            ["project_id"] = "shop",
            ["private_key_id"] = "1",
            ["private_key"] = _key.ExportPkcs8PrivateKeyPem(),
            ["client_email"] = Account,
            ["client_id"] = "1",
            ["token_uri"] = "https://oauth2.googleapis.com/token",
        }));
        return file;
    }

    private string FederationFile()
    {
        File.WriteAllText(PathOf("subject"), "from-the-other-provider");
        var file = PathOf("federation.json");
        File.WriteAllText(file, JsonSerializer.Serialize(new
        {
            type = "external_account",
            audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
            subject_token_type = "urn:ietf:params:oauth:token-type:jwt",
            token_url = Sts,
            credential_source = new { file = PathOf("subject") },
        }));
        return file;
    }

    private string PathOf(string file) => Path.Combine(_folder.FullName, file);

    /// <summary>Answers requests for tokens.</summary>
    private sealed class TokenServers : HttpClientFactory, IDisposable
    {
        private readonly Dictionary<string, (string Body, HttpStatusCode Status)> _answers = [];

        public bool Down { get; set; }

        public List<(string? Authorization, string Body)> Requests { get; } = [];

        public void Answer(string url, string body, HttpStatusCode status = HttpStatusCode.OK) => _answers[url] = (body, status);

        public void Dispose()
        {
            // Nothing is held.
        }

        protected override HttpMessageHandler CreateHandler(CreateHttpClientArgs args) => new Handler(this);

        private sealed class Handler(TokenServers servers) : HttpMessageHandler
        {
            protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
            {
                if (servers.Down)
                {
                    throw new HttpRequestException("Nobody answers.");
                }

                servers.Requests.Add((request.Headers.Authorization?.ToString(), Uri.UnescapeDataString(await request.Content!.ReadAsStringAsync(cancellationToken))));
                var (body, status) = servers._answers[request.RequestUri!.ToString()];
                return new HttpResponseMessage(status) { Content = new StringContent(body, Encoding.UTF8, "application/json"), RequestMessage = request };
            }
        }
    }
}
