using System.Diagnostics;
using EcomStream.TestSupport;
using YamlDotNet.Serialization;

namespace EcomStream.EndToEnd.Tests;

/// <summary>
/// The compose files and the Dockerfile, as far as they can be checked without an engine: their syntax, the keys of the
/// compose specification (https://github.com/compose-spec/compose-spec), and everything that they refer to.
/// </summary>
[Collection(AloneCollection.Name)]
public sealed class ComposeTests
{
    private static readonly string[] _serviceKeys =
    [
        "image", "build", "command", "container_name", "depends_on", "entrypoint", "environment", "extends", "healthcheck",
        "configs", "ports", "profiles", "restart", "stop_grace_period", "user", "volumes",
    ];

    private static readonly string[] _instructions = ["FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD", "ENV", "HEALTHCHECK"];

    [Theory]
    [InlineData("docker-compose.yml", new[] { "cassandra", "pubsub", "ecomstream", "prometheus", "grafana" })]
    [InlineData("docker-compose-cassandra.yml", new[] { "cassandra" })]
    [InlineData("docker-compose-cluster.yml", new[] { "cassandra", "pubsub", "certificates", "node1", "node2", "node3" })]
    public void A_compose_file_is_valid_and_refers_to_what_is_there(string file, string[] expected)
    {
        var compose = Read(file);
        compose.Keys.ShouldBeSubsetOf(["services", "volumes", "configs"]);
        var services = Map(compose["services"]);
        services.Keys.Order().ShouldBe(expected.Order());
        var volumes = compose.TryGetValue("volumes", out var declared) ? Map(declared).Keys.ToList() : [];
        foreach (var (name, value) in services)
        {
            var service = Map(value);
            service.Keys.ShouldBeSubsetOf(_serviceKeys, name);
            (service.ContainsKey("image") || service.ContainsKey("build") || service.ContainsKey("extends")).ShouldBeTrue(name);
            if (service.TryGetValue("extends", out var extends))
            {
                Map(Read((string)Map(extends)["file"])["services"]).ShouldContainKey((string)Map(extends)["service"]);
            }

            if (service.TryGetValue("depends_on", out var dependsOn))
            {
                foreach (var (other, condition) in Map(dependsOn))
                {
                    services.ShouldContainKey(other);
                    if ((string)Map(condition)["condition"] != "service_completed_successfully")
                    {
                        Map(condition)["condition"].ShouldBe("service_healthy");
                        Whole(services[other]).ShouldContainKey("healthcheck");
                    }
                }
            }

            if (service.TryGetValue("volumes", out var mounts))
            {
                var sources = ((List<object>)mounts).Select(mount => ((string)mount).Split(':')[0]).ToLookup(source => source.StartsWith('.'));
                sources[false].ShouldBeSubsetOf(volumes);
                sources[true].ShouldAllBe(folder => Directory.Exists(Path.Combine(SourceTree.Root, folder)));
            }

            if (service.TryGetValue("ports", out var ports))
            {
                // Nothing of it is to be reached from elsewhere.
                ((List<object>)ports).ShouldAllBe(port => ((string)port).StartsWith("127.0.0.1:"));
            }
        }
    }

    [Theory]
    [InlineData("docker-compose.yml", "ecomstream")]
    [InlineData("docker-compose-cluster.yml", "node3")]
    public async Task What_compose_runs_is_a_valid_configuration(string file, string name)
    {
        var service = Map(Map(Read(file)["services"])[name]);
        var command = ((List<object>)service["command"]).Cast<string>().ToList();
        command[0].ShouldBe("run");
        var environment = Map(service["environment"]).ToDictionary(variable => variable.Key, variable => (string)variable.Value);
        using var check = EcomStreamProcess.Start(environment, ["config", "check", .. command.Skip(1)]);
        (await check.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, check.Output);
        using var show = EcomStreamProcess.Start(environment, ["schema", "check", .. command.Skip(1)]);
        (await show.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldNotBe(0);
        show.Output.ShouldContain("cassandra");
        show.Output.ShouldContain("9042");

        // What the health check calls is a command that finds the address in the environment; no host runs here, unless of another program.
        var test = ((List<object>)Map(service["healthcheck"])["test"]).Cast<string>().ToList();
        test[..3].ShouldBe(["CMD", "dotnet", "ecomstream.dll"]);
        using var health = EcomStreamProcess.Start(environment, [.. test.Skip(3)]);
        (await health.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBeOneOf(0, 1);
        if (!health.Output.Contains("ready", StringComparison.Ordinal))
        {
            health.Output.ShouldContain("127.0.0.1:9090");
        }
    }

    [Fact]
    public void The_Dockerfile_has_known_instructions_and_copies_what_is_there()
    {
        var lines = File.ReadAllLines(Path.Combine(SourceTree.Root, "Dockerfile")).Where(line => line.Length > 0 && line[0] != '#').ToList();
        lines[0].ShouldStartWith("FROM ");
        foreach (var line in lines)
        {
            var words = line.Split(' ');
            _instructions.ShouldContain(words[0], line);
            if (words[0] == "COPY" && !words[1].StartsWith("--", StringComparison.Ordinal))
            {
                words[1..^1].ShouldAllBe(source => Path.Exists(Path.Combine(SourceTree.Root, source)), line);
            }
        }

        var publish = lines.Single(line => line.Contains("dotnet publish", StringComparison.Ordinal)).Split(' ');
        Directory.Exists(Path.Combine(SourceTree.Root, publish[3])).ShouldBeTrue();
        lines.Single(line => line.StartsWith("ENTRYPOINT ", StringComparison.Ordinal)).ShouldContain("ecomstream.dll");
        File.Exists(Path.Combine(AppContext.BaseDirectory, "ecomstream.dll")).ShouldBeTrue();
    }

    // It compiles everything once more.
    [SkippableFact]
    public async Task What_the_Dockerfile_copies_is_all_that_its_publish_needs()
    {
        Skip.IfNot(TestSize.IsFull, $"Set {TestSize.Variable}=1 to run this test.");
        var lines = File.ReadAllLines(Path.Combine(SourceTree.Root, "Dockerfile")).ToList();
        var publish = lines.Single(line => line.Contains("dotnet publish", StringComparison.Ordinal)).Split(' ');
        var version = lines.Single(line => line.StartsWith("ARG VERSION=", StringComparison.Ordinal)).Split('=')[1];
        var folder = Directory.CreateTempSubdirectory("ecomstream-image-");
        try
        {
            // The build stage begins with its FROM and ends with the publish.
            foreach (var words in lines.TakeWhile(line => !line.StartsWith("RUN ", StringComparison.Ordinal)).Select(line => line.Split(' ')).Where(words => words[0] == "COPY"))
            {
                foreach (var source in words[1..^1])
                {
                    var from = Path.Combine(SourceTree.Root, source);
                    Copy(from, Path.Combine(folder.FullName, words[^1], Directory.Exists(from) ? "" : Path.GetFileName(source)));
                }
            }

            // The analyzers take half of the time, and the build of this test has run them.
            var output = Path.Combine(folder.FullName, "out");
            string[] arguments = [.. publish[2..^1].Select(word => word.Replace("$VERSION", version, StringComparison.Ordinal)), output];
            (await DotnetAsync(folder.FullName, [.. arguments, "--disable-build-servers", "-p:RunAnalyzers=false"])).ShouldBe("");
            (await DotnetAsync(folder.FullName, [Path.Combine(output, "ecomstream.dll"), "config", "check"])).ShouldBe("");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // Without what .dockerignore leaves out.
    private static void Copy(string from, string to)
    {
        if (!Directory.Exists(from))
        {
            File.Copy(from, to);
            return;
        }

        Directory.CreateDirectory(to);
        foreach (var entry in Directory.EnumerateFileSystemEntries(from).Where(entry => Path.GetFileName(entry) is not ("bin" or "obj")))
        {
            Copy(entry, Path.Combine(to, Path.GetFileName(entry)));
        }
    }

    // What it wrote when it failed; nothing when it did not.
    private static async Task<string> DotnetAsync(string folder, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };

        // Those of the build that runs this test would have it build with them.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
        await process.WaitForExitAsync(deadline.Token);
        return process.ExitCode == 0 ? "" : $"{string.Join(' ', arguments)}: {await output}{await errors}";
    }

    // A service with what it takes from another file.
    private static Dictionary<string, object> Whole(object service)
    {
        var map = Map(service);
        return map.TryGetValue("extends", out var extends)
            ? Map(Map(Read((string)Map(extends)["file"])["services"])[(string)Map(extends)["service"]])
            : map;
    }

    private static Dictionary<string, object> Read(string file) =>
        new DeserializerBuilder().WithDuplicateKeyChecking().Build().Deserialize<Dictionary<string, object>>(File.ReadAllText(Path.Combine(SourceTree.Root, file)));

    private static Dictionary<string, object> Map(object? value) => value switch
    {
        null => [],
        Dictionary<object, object> map => map.ToDictionary(entry => (string)entry.Key, entry => entry.Value),
        Dictionary<string, object> map => map,
        _ => throw new InvalidOperationException($"'{value}' is no map."),
    };
}
