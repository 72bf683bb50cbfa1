using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.RegularExpressions;
using EcomStream.TestSupport;

namespace EcomStream.Web.Tests;

public sealed partial class DocumentationTests(RunningDashboard dashboard) : IClassFixture<RunningDashboard>
{
    [Fact]
    public void Every_metric_of_the_source_is_documented_and_no_other()
    {
        var source = Directory.GetFiles(Path.Combine(SourceTree.Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(file => Creation().Matches(File.ReadAllText(file)))
            .Select(match => match.Groups["name"].Value)
            .ToHashSet();
        source.Count.ShouldBeGreaterThan(30);
        Documented().Keys.ShouldBe(source, ignoreOrder: true);
    }

    [Fact]
    public void The_units_are_those_of_the_instruments()
    {
        var documented = Documented();
        var seen = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (documented.TryGetValue(instrument.Name, out var unit))
                {
                    instrument.Unit.ShouldBe(unit, instrument.Name);
                    seen++;
                }
            },
        };
        listener.Start();
        seen.ShouldBeGreaterThan(20);
    }

    [Fact]
    public async Task The_metrics_of_a_pipeline_are_exported_under_the_names_that_the_documentation_states()
    {
        var text = "";
        await Eventually.True(
            async () => (text = await dashboard.Client.GetStringAsync("/metrics")).Contains("ecomstream_subscription_reading{", StringComparison.Ordinal), "the subscriptions are observed");
        foreach (var name in new[]
        {
            "ecomstream_messages_received_total", "ecomstream_rows_written_total", "ecomstream_messages_dead_lettered_total", "ecomstream_publish_to_row_duration_seconds_bucket",
            "ecomstream_store_duration_seconds_bucket", "ecomstream_ready", "ecomstream_health", "ecomstream_pubsub_acked_total", "messaging_client_consumed_messages_total",
            "dotnet_gc_collections_total", "process_cpu_time_seconds_total",
        })
        {
            text.ShouldContain($"\n{name}");
        }
    }

    [Fact]
    public void Alert_rules_and_the_Grafana_dashboard_use_documented_metrics_only()
    {
        var known = Documented().Keys.Select(name => name.Replace('.', '_')).ToList();
        foreach (var file in new[] { "prometheus/alerts.yml", "grafana/dashboards/ecomstream.json" })
        {
            var used = Exported().Matches(File.ReadAllText(Path.Combine(SourceTree.Root, "deploy", file))).Select(match => match.Value)
                .Except(["messaging_destination_subscription_name", "ecomstream_hold"]).ToHashSet();
            used.ShouldNotBeEmpty();
            used.ShouldAllBe(name => known.Any(metric => name.StartsWith(metric, StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void Every_test_that_the_table_of_health_answers_names_exists()
    {
        var named = TestName().Matches(File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "operations.md"))).Select(match => match.Groups["test"].Value).ToList();
        named.Count.ShouldBeGreaterThan(8);
        var rules = File.ReadAllText(Path.Combine(SourceTree.Root, "tests", "EcomStream.Hosting.Tests", "HealthRulesTests.cs"));
        var answers = typeof(HealthAnswersTests).GetMethods(BindingFlags.Instance | BindingFlags.Public).Select(method => method.Name).ToHashSet();
        named.ShouldAllBe(test => answers.Contains(test) || rules.Contains($" {test}(", StringComparison.Ordinal));
    }

    private static Dictionary<string, string> Documented() =>
        Row().Matches(File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "metrics.md"))).ToDictionary(match => match.Groups["name"].Value, match => match.Groups["unit"].Value);

    // "Subscription" creates the gauges of PipelineGauges.
    [GeneratedRegex("""(?:\.Create\w+|\bSubscription)(?:<\w+>)?\(\s*"(?<name>(?:ecomstream|messaging|db)\.[a-z_.]+)"\s*,""")]
    private static partial Regex Creation();

    [GeneratedRegex(@"^\| `(?<name>[a-z_.]+)` \| (?<unit>\S+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex(@"\b(?:ecomstream|messaging|db_client)_[a-z_]+")]
    private static partial Regex Exported();

    [GeneratedRegex(@"\| `(?<test>[A-Z]\w+)` \|")]
    private static partial Regex TestName();
}
