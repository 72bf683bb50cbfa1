using EcomStream.TestSupport;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The manifests for Kubernetes, as far as they can be checked without a cluster: their syntax and what they refer to.</summary>
public sealed class KubernetesTests : IDisposable
{
    private const string App = "ecomstream";

    private readonly Workplace _workplace = new();
    private readonly List<Dictionary<object, object>> _manifests = Read();

    public void Dispose() => _workplace.Dispose();

    [Fact]
    public void Every_manifest_has_a_kind_and_a_name_and_names_what_is_there()
    {
        _manifests.Select(manifest => manifest["kind"]).ShouldBe(
            ["ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler"]);
        _manifests.ShouldAllBe(manifest => manifest.ContainsKey("apiVersion") && At(manifest, "metadata", "name") != null);
        At(Of("RoleBinding"), "roleRef", "name").ShouldBe(At(Of("Role"), "metadata", "name"));
        At(Of("HorizontalPodAutoscaler"), "spec", "scaleTargetRef", "name").ShouldBe(At(Of("Deployment"), "metadata", "name"));
        At(Of("PodDisruptionBudget"), "spec", "selector", "matchLabels", "app").ShouldBe(App);
        At(Of("Deployment"), "spec", "selector", "matchLabels", "app").ShouldBe(App);
        At(Of("Deployment"), "spec", "template", "metadata", "labels", "app").ShouldBe(App);
        At(Of("Deployment"), "spec", "template", "spec", "serviceAccountName").ShouldBe(At(Of("ServiceAccount"), "metadata", "name"));
    }

    [Fact]
    public async Task Its_configuration_is_valid_and_agrees_with_ports_probes_and_the_time_to_stop()
    {
        var file = Path.Combine(_workplace.Folder, "ecomstream.conf");
        var text = (string)At(Of("ConfigMap"), "data", "ecomstream.conf")!;
        await File.WriteAllTextAsync(file, text.Replace("/app/hocon", Path.Combine(SourceTree.Root, "hocon"), StringComparison.Ordinal));
        var container = Map(((List<object>)At(Of("Deployment"), "spec", "template", "spec", "containers")!)[0]);
        var environment = ((List<object>)container["env"]).Select(Map).ToDictionary(variable => (string)variable["name"], _ => "10.0.0.1");
        using var check = EcomStreamProcess.Start(environment, "config", "check", "--config", file);
        (await check.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, check.Output);
        using var show = EcomStreamProcess.Start(environment, "config", "show", "--config", file);
        (await show.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, show.Output);

        foreach (var port in ((List<object>)container["ports"]).Select(Map))
        {
            text.ShouldContain((string)port["containerPort"]);
        }

        foreach (var probe in (string[])["startupProbe", "livenessProbe", "readinessProbe"])
        {
            ((string)At(container, probe, "httpGet", "path")!).ShouldStartWith("/health/");
            At(container, probe, "httpGet", "port").ShouldBe("http");
        }

        text.ShouldContain("shutdown-timeout = 20s");
        int.Parse((string)At(Of("Deployment"), "spec", "template", "spec", "terminationGracePeriodSeconds")!).ShouldBeGreaterThan(2 * 20);
    }

    private static List<Dictionary<object, object>> Read()
    {
        using var text = File.OpenText(Path.Combine(SourceTree.Root, "deploy", "kubernetes", "ecomstream.yaml"));
        var parser = new Parser(text);
        var deserializer = new DeserializerBuilder().Build();
        var manifests = new List<Dictionary<object, object>>();
        parser.Consume<StreamStart>();
        while (parser.Accept<DocumentStart>(out _))
        {
            manifests.Add(deserializer.Deserialize<Dictionary<object, object>>(parser));
        }

        return manifests;
    }

    private Dictionary<object, object> Of(string kind) => _manifests.Single(manifest => (string)manifest["kind"] == kind);

    private static Dictionary<object, object> Map(object value) => (Dictionary<object, object>)value;

    private static object? At(object manifest, params string[] path) =>
        path.Aggregate((object?)manifest, (value, key) => Map(value!).GetValueOrDefault(key));
}
