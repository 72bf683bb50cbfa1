using System.Net;
using System.Net.Http.Headers;
using Akka.Configuration;
using EcomStream.Hosting;

namespace EcomStream.Web.Tests;

/// <summary>One dashboard on loopback that is read-only, and one on every address that requires a token.</summary>
public sealed class OpenAndClosed : IAsyncLifetime
{
    public const string Token = "correct horse";

    public RunningDashboard Open { get; } = new() { More = "ecomstream.store.cassandra.password = hunter2" };

    public RunningDashboard Closed { get; } = new() { More = $"ecomstream.http {{ actions = on, token = \"{Token}\" }}" };

    public async Task InitializeAsync()
    {
        await Open.StartAsync("127.0.0.1:0");
        await Closed.StartAsync("0.0.0.0:0");
        Closed.Client.BaseAddress = new Uri($"http://127.0.0.1:{new Uri(Closed.Url.Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)).Port}");
    }

    public async Task DisposeAsync()
    {
        await Open.DisposeAsync();
        await Closed.DisposeAsync();
    }
}

public sealed class AccessTests(OpenAndClosed dashboards) : IClassFixture<OpenAndClosed>
{
    private const string Token = OpenAndClosed.Token;
    private readonly RunningDashboard _open = dashboards.Open;
    private readonly RunningDashboard _closed = dashboards.Closed;

    [Theory]
    [InlineData("/api/flow", HttpStatusCode.Unauthorized)]
    [InlineData("/api/dead-letters", HttpStatusCode.Unauthorized)]
    [InlineData("/metrics", HttpStatusCode.Unauthorized)]
    [InlineData("/", HttpStatusCode.Redirect)]
    [InlineData("/dead-letters", HttpStatusCode.Redirect)]
    [InlineData("/health/live", HttpStatusCode.OK)]
    public async Task Beyond_loopback_everything_but_health_requires_the_token(string path, HttpStatusCode expected)
    {
        using var response = await _closed.Client.GetAsync(path);
        response.StatusCode.ShouldBe(expected);
    }

    [Fact]
    public async Task The_token_opens_the_API_and_a_wrong_one_does_not()
    {
        (await Status(Token)).ShouldBe(HttpStatusCode.OK);
        (await Status("wrong horse")).ShouldBe(HttpStatusCode.Unauthorized);

        async Task<HttpStatusCode> Status(string token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/api/flow");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var response = await _closed.Client.SendAsync(request);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task Signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use()
    {
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["token"] = Token });
        using var response = await _closed.Client.PostAsync("/sign-in", form);
        var cookie = response.Headers.GetValues("Set-Cookie").ShouldHaveSingleItem();
        cookie.ShouldContain("httponly");
        cookie.ShouldContain("samesite=strict");
        cookie.ShouldNotContain("horse");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/flow");
        request.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var flow = await _closed.Client.SendAsync(request);
        flow.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_dashboard_is_read_only_unless_actions_are_on() =>
        (await _open.PostAsync("/api/dead-letters/discard", new { ids = new[] { "1-1" }, reason = "no" })).Status.ShouldBe(HttpStatusCode.Forbidden);

    [Theory]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    [InlineData("Sec-Fetch-Site", "same-site")]
    [InlineData("Origin", "https://elsewhere.example")]
    public async Task A_request_of_another_site_is_rejected(string header, string value)
    {
        var (status, body) = await _closed.PostAsync("/api/dead-letters/count", new { }, request =>
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
            request.Headers.Add(header, value);
        });
        status.ShouldBe(HttpStatusCode.Forbidden);
        body.GetProperty("error").GetString()!.ShouldContain("does not come from the dashboard");
    }

    [Fact]
    public async Task A_request_without_the_header_of_the_dashboard_is_rejected() =>
        (await _open.PostAsync("/api/dead-letters/count", new { }, request => request.Headers.Remove(AccessControl.ActionHeader))).Status.ShouldBe(HttpStatusCode.Forbidden);

    [Fact]
    public async Task A_foreign_host_name_is_rejected_on_loopback()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/flow");
        request.Headers.Host = "rebound.example";
        using var response = await _open.Client.SendAsync(request);
        response.StatusCode.ShouldBe(HttpStatusCode.MisdirectedRequest);
    }

    [Fact]
    public async Task Every_answer_has_a_strict_content_security_policy()
    {
        foreach (var path in new[] { "/", "/api/flow", "/assets/flow.js", "/sign-in", "/nothing" })
        {
            using var response = await _open.Client.GetAsync(path);
            var policy = response.Headers.GetValues("Content-Security-Policy").Single();
            policy.ShouldContain("default-src 'none'");
            policy.ShouldNotContain("unsafe");
            policy.ShouldNotContain("http");
        }
    }

    [Fact]
    public async Task Secrets_are_masked_in_the_settings()
    {
        var text = (await _open.GetAsync("/api/settings")).GetRawText();
        text.ShouldContain("ecomstream.store.cassandra.password");
        text.ShouldNotContain("hunter2");
    }

    [Theory]
    [InlineData("0.0.0.0:9090", "ecomstream.http.token")]
    [InlineData("9090", "an IP address and a port")]
    [InlineData("example.com:9090", "an IP address and a port")]
    public void An_address_that_cannot_be_used_is_rejected_with_what_to_do(string address, string advice) =>
        Should.Throw<ConfigurationException>(() => HttpSettings.Read(address, OperationsSettings.Read(HostSettings.Reference))).Message.ShouldContain(advice);

    [Fact]
    public async Task A_port_in_use_is_reported_with_what_to_do()
    {
        var second = new RunningDashboard();
        (await Should.ThrowAsync<ConfigurationException>(() => second.StartAsync(_open.Url["http://".Length..]))).Message.ShouldContain("--http");
        await second.DisposeAsync();
    }
}
