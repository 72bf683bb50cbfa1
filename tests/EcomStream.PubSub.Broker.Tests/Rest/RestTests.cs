using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker.Tests.Rest;

/// <summary>REST and gRPC on one port, and what REST takes.</summary>
public sealed class RestTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Http_1_1_and_http_2_and_gRPC_are_answered_on_one_port()
    {
        await using var broker = await BrokerClient.StartReadyAsync(_folder.Path);
        foreach (var version in (Version[])[HttpVersion.Version11, HttpVersion.Version20])
        {
            using var rest = new RestClient(broker.Broker.Endpoint) { Version = version };
            (await rest.CallAsync("GET", $"/v1/{BrokerClient.Topic}")).GetProperty("name").GetString().ShouldBe(BrokerClient.Topic);
            await rest.CallAsync("POST", $"/v1/{BrokerClient.Topic}:publish", """{"messages":[{"data":"aGk="}]}""");
        }

        (await broker.PullAsync()).Select(BrokerClient.Text).ShouldBe(["hi", "hi"]);
    }

    [Theory]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true)]
    [InlineData("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", false)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false)]
    public async Task The_protocol_is_told_by_the_first_bytes_even_when_they_come_one_by_one(string text, bool isHttp2)
    {
        await using var broker = await BrokerClient.StartAsync(_folder.Path);
        using var tcp = new TcpClient { NoDelay = true };
        await tcp.ConnectAsync("127.0.0.1", broker.Broker.Port);
        var stream = tcp.GetStream();
        foreach (var one in Encoding.ASCII.GetBytes(text))
        {
            await stream.WriteAsync(new[] { one });
            await Task.Yield();
        }

        var answer = new byte[9];
        await stream.ReadExactlyAsync(answer).AsTask().WaitAsync(TimeSpan.FromSeconds(20));

        // A frame of type SETTINGS is the first of an HTTP/2 server (RFC 9113, 3.4).
        (isHttp2 ? answer[3] == 4 : Encoding.ASCII.GetString(answer) == "HTTP/1.1 ").ShouldBeTrue();
    }

    [Fact]
    public async Task A_connection_without_a_byte_does_not_hold_up_the_stop()
    {
        var broker = await BrokerClient.StartAsync(_folder.Path);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", broker.Broker.Port);
        await broker.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" });
        var stopping = Stopwatch.StartNew();
        await broker.DisposeAsync();
        stopping.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task What_is_not_understood_is_rejected_by_name()
    {
        await using var broker = await BrokerClient.StartReadyAsync(_folder.Path);
        using var rest = new RestClient(broker.Broker.Endpoint);
        await ShouldSay("GET", $"/v1/{BrokerClient.Topic}?unknown=1", null, 400, "unknown");
        await ShouldSay("PUT", "/v1/projects/p/topics/second?labels=1", "{}", 400, "labels");
        await ShouldSay("PUT", "/v1/projects/p/topics/second", """{"partition":1}""", 400, "partition");
        await ShouldSay("PUT", "/v1/projects/p/topics/second", """{"kmsKeyName":"key"}""", 501, "kms_key_name");
        await ShouldSay("POST", $"/v1/{BrokerClient.Topic}:publish", """{"messages":[{"data":"#"}]}""", 400, "PublishRequest");
        await ShouldSay("POST", $"/v1/{BrokerClient.Topic}:publish", """[1]""", 400, "PublishRequest");
        await ShouldSay("POST", $"/v1/{BrokerClient.Topic}:stop", "{}", 404, ":stop");
        await ShouldSay("GET", "/v2/anything", null, 404, "/v2/anything");

        async Task ShouldSay(string method, string path, string? json, int status, string text)
        {
            var (code, body) = await rest.SendAsync(method, path, json);
            ((int)code).ShouldBe(status, $"{path}: {body}");
            body.GetProperty("error").GetProperty("message").GetString()!.ShouldContain(text);
        }
    }

    [Fact]
    public async Task A_failed_ack_with_exactly_once_delivery_is_named_in_the_details()
    {
        await using var broker = await BrokerClient.StartAsync(_folder.Path);
        using var rest = new RestClient(broker.Broker.Endpoint);
        await rest.CallAsync("PUT", $"/v1/{BrokerClient.Topic}");
        await rest.CallAsync("PUT", $"/v1/{BrokerClient.Subscription}", $$"""{"topic":"{{BrokerClient.Topic}}","enableExactlyOnceDelivery":true}""");
        var (status, body) = await rest.SendAsync("POST", $"/v1/{BrokerClient.Subscription}:acknowledge", """{"ackIds":["invented"]}""");
        status.ShouldBe(HttpStatusCode.BadRequest);
        var detail = body.GetProperty("error").GetProperty("details")[0];
        detail.GetProperty("@type").GetString().ShouldBe("type.googleapis.com/google.rpc.ErrorInfo");
        detail.GetProperty("metadata").GetProperty("invented").GetString().ShouldBe("PERMANENT_FAILURE_INVALID_ACK_ID");
    }

    [Fact]
    public async Task A_request_of_a_web_page_is_refused()
    {
        await using var broker = await BrokerClient.StartReadyAsync(_folder.Path, options => options with { AdminApi = true });
        using var http = new HttpClient();
        foreach (var path in (string[])[$"/v1/{BrokerClient.Topic}:publish", "/admin/v1/reset", "/admin/v1/faults"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"http://{broker.Broker.Endpoint}{path}")
            {
                Headers = { { "Origin", "https://evil.example" } }, Content = new StringContent("""{"messages":[{"data":"aGk="}]}"""),
            };
            using var response = await http.SendAsync(request);
            response.StatusCode.ShouldBe(HttpStatusCode.Forbidden, path);
        }

        broker.Stats.Backlog.ShouldBe(0);
        broker.Broker.Faults.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_name_with_percent_signs_is_decoded_once()
    {
        await using var broker = await BrokerClient.StartAsync(_folder.Path);
        using var rest = new RestClient(broker.Broker.Endpoint);
        await rest.CallAsync("PUT", "/v1/projects/p/topics/a%25b%2Bc~d");
        (await broker.Publisher.GetTopicAsync(new GetTopicRequest { Topic = "projects/p/topics/a%b+c~d" })).Name.ShouldBe("projects/p/topics/a%b+c~d");
    }

    [Fact]
    public async Task A_message_of_the_largest_size_is_published_and_a_larger_request_is_refused()
    {
        await using var broker = await BrokerClient.StartReadyAsync(_folder.Path);
        using var rest = new RestClient(broker.Broker.Endpoint);
        await rest.CallAsync("POST", $"/v1/{BrokerClient.Topic}:publish", Message(10_000_000));
        (await broker.PullAsync()).Single().Message.Data.Length.ShouldBe(10_000_000);
        (await rest.SendAsync("POST", $"/v1/{BrokerClient.Topic}:publish", Message(10_000_001))).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await rest.SendAsync("POST", $"/v1/{BrokerClient.Topic}:publish", new string(' ', 33 << 20))).Status.ShouldBe(HttpStatusCode.BadRequest);

        static string Message(int bytes) => $$"""{"messages":[{"data":"{{ByteString.CopyFrom(new byte[bytes]).ToBase64()}}"}]}""";
    }

    [SkippableFact]
    public async Task Curl_creates_publishes_pulls_and_acks_as_the_documentation_says()
    {
        await using var broker = await BrokerClient.StartAsync(_folder.Path);
        var root = $"http://{broker.Broker.Endpoint}";
        await CurlAsync("-X", "PUT", $"{root}/v1/projects/p/topics/t01");
        await CurlAsync("-X", "PUT", "-H", "content-type: application/json", "-d", """{"topic":"projects/p/topics/t01"}""", $"{root}/v1/projects/p/subscriptions/s01");
        await CurlAsync("-d", """{"messages":[{"data":"aGVsbG8="}]}""", $"{root}/v1/projects/p/topics/t01:publish");
        var pulled = await CurlAsync("--http2-prior-knowledge", "-d", """{"maxMessages":10}""", $"{root}/v1/projects/p/subscriptions/s01:pull");
        pulled.ShouldContain("aGVsbG8=");
        (await CurlAsync($"{root}/")).Trim().ShouldBe("Ok");
    }

    private static async Task<string> CurlAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("curl", ["-fsS", "--max-time", "20", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        Process curl;
        try
        {
            curl = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new SkipException("curl is not installed");
        }

        using (curl)
        {
            var error = curl.StandardError.ReadToEndAsync();
            var output = await curl.StandardOutput.ReadToEndAsync();
            await curl.WaitForExitAsync();
            curl.ExitCode.ShouldBe(0, await error);
            return output;
        }
    }
}
