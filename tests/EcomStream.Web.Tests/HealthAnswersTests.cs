using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using EcomStream.Hosting;
using EcomStream.TestSupport;
using Microsoft.Data.Sqlite;

namespace EcomStream.Web.Tests;

/// <summary>What /health answers in each failure, on a running pipeline. docs/operations.md lists these tests.</summary>
[Trait("Speed", "Slow")]
public sealed class HealthAnswersTests : IAsyncLifetime
{
    private readonly List<RunningDashboard> _dashboards = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var dashboard in _dashboards)
        {
            await dashboard.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_pipeline_that_works_is_ready_and_live()
    {
        var dashboard = await StartAsync();
        await AnswersAsync(dashboard, HttpStatusCode.OK, "ready");
        using var live = await dashboard.Client.GetAsync("/health/live");
        live.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_store_that_does_not_accept_writes_is_not_ready_until_it_does()
    {
        var dashboard = await StartAsync("ecomstream.health.max-backlog-age = 1s");
        await AnswersAsync(dashboard, HttpStatusCode.OK, "ready");
        using (var intruder = new SqliteConnection($"Data Source={dashboard.Database};Pooling=False"))
        {
            intruder.Open();
            Execute(intruder, "BEGIN IMMEDIATE");
            await dashboard.PublishAsync("orders_data", """{"order_id": 17}""");
            await AnswersAsync(dashboard, HttpStatusCode.ServiceUnavailable, "not-ready", ("store", "failed"));
            (await ReasonAsync(dashboard, "store")).ShouldContain("lock");

            // The message cannot be acked, and grows old.
            await AnswersAsync(dashboard, HttpStatusCode.ServiceUnavailable, "not-ready", ("backlog", "degraded"));
            (await ReasonAsync(dashboard, "backlog")).ShouldContain("orders_data-sub");
            Execute(intruder, "ROLLBACK");
        }

        await AnswersAsync(dashboard, HttpStatusCode.OK, "ready");
    }

    [Fact]
    public async Task A_broker_that_is_gone_is_not_ready_and_holds_the_watermark()
    {
        var dashboard = await StartAsync("ecomstream.health.max-watermark-hold = 1s");
        await AnswersAsync(dashboard, HttpStatusCode.OK, "ready");
        await dashboard.Process.Broker!.DisposeAsync();
        await AnswersAsync(dashboard, HttpStatusCode.ServiceUnavailable, "not-ready", ("subscriptions", "failed"), ("watermark", "degraded"));
        (await ReasonAsync(dashboard, "subscriptions")).ShouldContain("is not being read");
        (await ReasonAsync(dashboard, "watermark")).ShouldContain("the subscription cannot be read");
    }

    [Fact]
    public async Task A_missing_subscription_fails_the_pipeline()
    {
        var dashboard = await StartAsync("ecomstream.setup.create-missing = off", starts: false);
        await AnswersAsync(dashboard, HttpStatusCode.ServiceUnavailable, "not-ready", ("pipeline", "failed"));
        await Eventually.True(
            async () => (await ReasonAsync(dashboard, "pipeline")) is var reason && reason.StartsWith("The pipeline has failed", StringComparison.Ordinal)
                && reason.Contains("data-sub", StringComparison.Ordinal),
            "the reason names the subscription");
        using var live = await dashboard.Client.GetAsync("/health/live");
        live.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task A_disk_with_too_little_space_is_not_ready()
    {
        var dashboard = await StartAsync("ecomstream.health.min-free-disk = 1000000GiB");
        await AnswersAsync(dashboard, HttpStatusCode.ServiceUnavailable, "not-ready", ("disk", "failed"));
        (await ReasonAsync(dashboard, "disk")).ShouldContain("ecomstream.health.min-free-disk");
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static async Task AnswersAsync(RunningDashboard dashboard, HttpStatusCode code, string status, params (string Name, string State)[] checks)
    {
        var last = "";
        try
        {
            await Eventually.True(
                async () =>
                {
                    using var response = await dashboard.Client.GetAsync("/health/ready");
                    var body = await response.Content.ReadFromJsonAsync<JsonElement>();
                    last = $"{response.StatusCode} {body.GetRawText()}";
                    var states = body.GetProperty("checks").EnumerateArray().ToDictionary(check => check.GetProperty("name").GetString()!, check => check.GetProperty("state").GetString());
                    return response.StatusCode == code && body.GetProperty("status").GetString() == status && checks.All(check => states[check.Name] == check.State);
                },
                $"{(int)code} {status} {string.Join(", ", checks)}");
        }
        catch (Exception failed)
        {
            throw new InvalidOperationException($"{failed.Message} The last answer was {last}", failed);
        }
    }

    private static async Task<string> ReasonAsync(RunningDashboard dashboard, string check)
    {
        using var response = await dashboard.Client.GetAsync("/health/ready");
        var body = await response.Content.ReadFromJsonAsync<JsonElement>();
        return body.GetProperty("checks").EnumerateArray().First(entry => entry.GetProperty("name").GetString() == check).GetProperty("reason").GetString()!;
    }

    private async Task<RunningDashboard> StartAsync(string more = "", bool starts = true)
    {
        var dashboard = new RunningDashboard { More = more, OnFailure = Actors.PipelineFailureAction.None };
        _dashboards.Add(dashboard);
        await dashboard.StartAsync("127.0.0.1:0", waits: starts);
        return dashboard;
    }
}
