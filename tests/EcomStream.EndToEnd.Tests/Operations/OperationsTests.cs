using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using EcomStream.TestSupport;
using Microsoft.Data.Sqlite;

namespace EcomStream.EndToEnd.Tests.Operations;

/// <summary>What an operator sees of the program: the dashboard's address, health, logs, telemetry and the end.</summary>
public sealed class OperationsTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task The_demo_prints_the_address_of_a_dashboard_that_answers()
    {
        using var demo = EcomStreamProcess.Start("demo", "--orders", "100", "--payments", "100", "--rate", "0", "--hold");
        await Eventually.True(() => demo.Output.Contains("Dashboard on http://127.0.0.1:", StringComparison.Ordinal) && demo.Output.Contains("Broker on", StringComparison.Ordinal), "the address is printed", Soon);
        var url = Regex.Match(demo.Output, "Dashboard on (http://\\S+)").Groups[1].Value;
        using var client = new HttpClient { BaseAddress = new Uri(url) };
        (await client.GetStringAsync("/")).ShouldContain("<h1>Flow</h1>");
        await Eventually.True(async () => await GetAsync(client, "/health/ready") is { } health && health.Contains("\"ready\"", StringComparison.Ordinal), "it is ready");
        await Eventually.True(
            async () => JsonDocument.Parse(await client.GetStringAsync("/api/flow")).RootElement.GetProperty("totals").GetProperty("joined").GetInt64() == 100, "all payments are joined");
        await demo.TerminateAsync();
        (await demo.ExitCodeAsync(Soon)).ShouldBe(0, demo.Output);
    }

    [Fact]
    public async Task A_broker_on_its_own_has_health_and_metrics()
    {
        using var place = new Workplace();
        var address = $"127.0.0.1:{EcomStreamProcess.FreePort()}";
        using var broker = EcomStreamProcess.Start("broker", "--data", place.Folder, "--port", "0", "--http", address);
        await Eventually.True(() => broker.Output.Contains("PUBSUB_EMULATOR_HOST", StringComparison.Ordinal), "the broker starts", Soon);
        using var client = new HttpClient { BaseAddress = new Uri($"http://{address}") };
        await Eventually.True(async () => await GetAsync(client, "/health/ready") is { } health && health.Contains("ready", StringComparison.Ordinal), "health is answered");
        (await GetAsync(client, "/metrics")).ShouldNotBeNull().ShouldContain("process_");
    }

    [Theory]
    [InlineData("0.0.0.0:0", "ecomstream.http.token")]
    [InlineData("nowhere", "127.0.0.1:9090")]
    public async Task A_wrong_http_address_ends_with_exit_code_2_and_what_to_do(string address, string advice)
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--http", address));
        (await run.ExitCodeAsync(Soon)).ShouldBe(2, run.Output);
        run.Output.ShouldContain(advice);
    }

    [Fact]
    public async Task Json_logs_have_the_time_in_UTC_with_its_date_and_the_values_as_properties()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--log-format", "json", "--until-idle", "1s"));
        (await run.ExitCodeAsync(Soon)).ShouldBe(0, run.Output);
        var lines = run.Output.Split('\n').Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        var joining = lines.Single(line => line.GetProperty("Message").GetString()!.StartsWith("Joining", StringComparison.Ordinal));
        joining.GetProperty("State").GetProperty("Orders").GetString().ShouldBe("orders_data-sub");
        joining.GetProperty("State").GetProperty("{OriginalFormat}").GetString()!.ShouldStartWith("Joining {Orders} and {Payments}");
        var at = DateTimeOffset.ParseExact(joining.GetProperty("Timestamp").GetString()!, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        (DateTimeOffset.UtcNow - at).ShouldBeLessThan(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task The_log_level_leaves_out_what_is_below_it()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--log-level", "Warning", "--until-idle", "1s"));
        (await run.ExitCodeAsync(Soon)).ShouldBe(0, run.Output);
        run.Output.ShouldNotContain("info:");
        run.Output.ShouldContain("received 0");
    }

    [Fact]
    public async Task Draining_reports_its_progress_and_a_second_interrupt_ends_it()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--set", "ecomstream.shutdown-timeout=60s"));
        await run.JoinsAsync();
        using (var intruder = new SqliteConnection($"Data Source={place.Database};Pooling=False"))
        {
            intruder.Open();
            using var begin = intruder.CreateCommand();
            begin.CommandText = "BEGIN IMMEDIATE";
            begin.ExecuteNonQuery();
            using var produce = EcomStreamProcess.Start(place.Produce("--orders", "10", "--payments", "0"));
            (await produce.ExitCodeAsync(Soon)).ShouldBe(0, produce.Output);
            await Eventually.True(() => run.Output.Contains("holds a lock", StringComparison.Ordinal), "a write fails", Soon);
            await InterruptAsync(run);
            await Eventually.True(() => run.Output.Contains("Draining for", StringComparison.Ordinal), "the progress is logged", Soon);
            run.Output.ShouldContain("10 messages in flight");
            await InterruptAsync(run);
            (await run.ExitCodeAsync(TimeSpan.FromSeconds(5))).ShouldBe(130, run.Output);
        }

        // Nothing was acked that is not in the store.
        (await place.BacklogAsync("orders_data-sub")).ShouldBe(10 - place.Rows);
    }

    [Fact]
    public async Task Metrics_traces_and_logs_reach_an_OTLP_collector()
    {
        using var collector = new OtlpCollector();
        var environment = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Endpoint,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "500",
            ["OTEL_TRACES_SAMPLER"] = "always_on",
            ["OTEL_SERVICE_NAME"] = "shop-join",
        };
        using var demo = EcomStreamProcess.Start(environment, "demo", "--orders", "200", "--payments", "200", "--rate", "1000", "--orphans", "0.05", "--hold", "--log-level", "Information");
        foreach (var (signal, text) in new[]
        {
            ("metrics", "ecomstream.messages.received"), ("metrics", "ecomstream.publish_to_row.duration"), ("metrics", "ecomstream.store.duration"), ("metrics", "ecomstream.ready"),
            ("metrics", "ecomstream.subscription.backlog"), ("metrics", "messaging.client.consumed.messages"), ("metrics", "dotnet.gc.collections"), ("metrics", "process.cpu.time"),
            ("metrics", "shop-join"),
            ("traces", "publish payments_data"), ("traces", "process payments_data-sub"), ("traces", "process orders_data-sub"), ("traces", "decided"), ("traces", "written"),
            ("traces", "ecomstream.link"), ("traces", "publish dlq_payments_data"),
            ("logs", "Joining {Orders} and {Payments}"), ("logs", "orders_data-sub"),
        })
        {
            await Eventually.True(() => demo.HasExited || collector.Has(signal, text), $"{signal} with {text}", Soon);
            demo.HasExited.ShouldBeFalse(demo.Output);
        }

        await demo.TerminateAsync();
        (await demo.ExitCodeAsync(Soon)).ShouldBe(0, demo.Output);
    }

    private static async Task<string?> GetAsync(HttpClient client, string path)
    {
        try
        {
            return await client.GetStringAsync(path);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    private static async Task InterruptAsync(EcomStreamProcess process)
    {
        using var kill = Process.Start("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)])!;
        await kill.WaitForExitAsync();
    }
}
