using System.Reflection;
using System.Text.RegularExpressions;
using EcomStream.TestSupport;
using NetArchTest.Rules;

namespace EcomStream.EndToEnd.Tests;

/// <summary>Project layout: which project may reference which.</summary>
public sealed class ArchitectureTests
{
    private const string Core = "EcomStream.Core";
    private const string Actors = "EcomStream.Actors";
    private const string PubSub = "EcomStream.PubSub";
    private const string Protocol = "EcomStream.PubSub.Protocol";
    private const string Broker = "EcomStream.PubSub.Broker";
    private const string Sqlite = "EcomStream.Sqlite";
    private const string Cassandra = "EcomStream.Cassandra";
    private const string Cql = "EcomStream.Cql";
    private const string Hosting = "EcomStream.Hosting";
    private const string Host = "ecomstream";

    [Fact]
    public void Core_references_nothing() =>
        References(Core).ShouldAllBe(name => IsFramework(name));

    [Theory]
    [InlineData(Actors, "Akka", "Google.Protobuf", "Reactive.Streams", "Microsoft.Extensions")]
    [InlineData(PubSub, Protocol, "Akka", "Grpc", "Google.Protobuf", "Google.Api", "Microsoft.Extensions")]
    [InlineData(Protocol, "Grpc", "Google.Protobuf", "Google.Api")]
    [InlineData(Broker, Protocol, "Grpc", "Google.Protobuf", "Google.Api", "Microsoft.AspNetCore", "Microsoft.Extensions", "System.IO.Hashing", "Avro", "protobuf-net")]
    [InlineData(Cassandra, Cql, "Microsoft.Extensions")]
    [InlineData(Sqlite, "Microsoft.Data.Sqlite", "SQLitePCLRaw", "Microsoft.Extensions")]
    public void Each_project_references_core_and_its_own_libraries_only(string project, params string[] libraries) =>
        References(project).Where(name => !IsFramework(name) && name != Core)
            .ShouldAllBe(name => libraries.Any(library => name.StartsWith(library, StringComparison.Ordinal)));

    [Fact]
    public void The_CQL_client_references_its_libraries_and_nothing_of_EcomStream() =>
        References(Cql).Where(name => !IsFramework(name)).ShouldAllBe(name =>
            name == "K4os.Compression.LZ4" || name == "System.IO.Hashing" || name.StartsWith("Microsoft.Extensions", StringComparison.Ordinal));

    [Theory]
    [InlineData(PubSub)]
    [InlineData(Protocol)]
    [InlineData(Broker)]
    [InlineData(Sqlite)]
    [InlineData(Cassandra)]
    [InlineData(Cql)]
    [InlineData(Hosting)]
    [InlineData("EcomStream.Host")]
    public void Actors_know_no_adapter(string adapter) =>
        Types.InAssembly(Assembly.Load(Actors)).ShouldNot().HaveDependencyOn(adapter).GetResult().IsSuccessful.ShouldBeTrue();

    [Fact]
    public void Messages_and_settings_are_immutable()
    {
        var records = Assembly.Load(Core).GetExportedTypes().Concat(Assembly.Load(Actors).GetExportedTypes())
            .Where(type => type.GetMethod("<Clone>$") is not null);
        foreach (var property in records.SelectMany(type => type.GetProperties()).Where(p => p.SetMethod is { IsPublic: true }))
        {
            property.SetMethod!.ReturnParameter.GetRequiredCustomModifiers()
                .ShouldContain(typeof(System.Runtime.CompilerServices.IsExternalInit), $"{property.DeclaringType}.{property.Name} can be changed");
        }
    }

    [Fact]
    public void Hosting_is_where_everything_meets() =>
        References(Hosting).ShouldBe(
            References(Hosting).Union([Actors, Core, PubSub, Broker, Cassandra, Sqlite]), ignoreOrder: true);

    [Fact]
    public void The_command_line_uses_hosting() => References(Host).ShouldContain(Hosting);

    // Each folder may use those before it; an arrow back would be a circle between folders.
    [Theory]
    [InlineData(Hosting, "Configuration/Hocon", "Configuration", "Connections", "Telemetry", "Pipeline", "Health")]
    [InlineData("EcomStream.Host", "Cli", "Shop", "Commands/Options", "Commands/Access", "Commands", ".")]
    [InlineData("EcomStream.Host", "Commands/Access", "Commands/DeadLetters", "Commands", ".")]
    [InlineData("EcomStream.Host", "Commands/Options", "Commands/Broker", "Commands", ".")]
    [InlineData("EcomStream.Host", "Commands/Access", "Commands/Diagnosis", "Commands", ".")]
    [InlineData("EcomStream.Web", "Http", "Api", ".")]
    public void A_folder_does_not_use_the_folders_above_it(string projectName, params string[] folders)
    {
        var project = Path.Combine(SourceTree.Root, "src", projectName);
        foreach (var (place, folder) in folders.Index())
        {
            var files = Directory.GetFiles(Path.Combine(project, folder), "*.cs");
            var above = folders[(place + 1)..].SelectMany(name => Directory.GetFiles(Path.Combine(project, name), "*.cs")).Select(Path.GetFileNameWithoutExtension).ToList();
            files.ShouldNotBeEmpty(folder);
            foreach (var file in files)
            {
                var words = Regex.Split(string.Join('\n', File.ReadLines(file).Where(line => !line.TrimStart().StartsWith("///", StringComparison.Ordinal))), @"\W+");
                words.Intersect(above).ShouldBeEmpty(file);
            }
        }
    }

    // From the bottom to the top: a folder uses those before it. Types are found by their names, as files are named.
    [Fact]
    public void The_folders_of_the_broker_do_not_use_each_other_in_a_circle()
    {
        string[] folders =
        [
            "Storage/Files", "Contracts", "Resources", "Storage/Acks", "Storage/Messages", "Storage/Logs", "Storage/Metadata", "Filters", "Schemas", "Delivery/Ordering", "Delivery",
            "Calls", "Faults", "Topics", "State", "Fields", "Publishing", "Services", "Iam", "Push", "Rest", "Testing", "Server", "",
        ];
        var project = Path.Combine(SourceTree.Root, "src", Broker);
        var files = folders.Select(folder => Directory.GetFiles(Path.Combine(project, folder), "*.cs")).ToList();
        files.Sum(found => found.Length).ShouldBe(
            Directory.GetFiles(project, "*.cs", SearchOption.AllDirectories).Count(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)),
            "a folder is missing in the list");
        for (var i = 0; i < folders.Length; i++)
        {
            var above = files.Skip(i + 1).SelectMany(found => found).Select(file => Path.GetFileNameWithoutExtension(file)).ToHashSet();
            foreach (var file in files[i])
            {
                var words = Regex.Split(string.Join('\n', File.ReadLines(file).Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))), @"\W+");
                words.Intersect(above).ShouldBeEmpty(file);
            }
        }
    }

    // Their types are in one project each, and that project is not in the default solution.
    [Theory]
    [InlineData("CassandraCSharpDriver", "EcomStream.DataStax")]
    [InlineData("Google.Cloud.PubSub.V1", "EcomStream.GoogleCloud")]
    public void An_official_client_is_referenced_by_its_adapter_alone(string package, string adapter)
    {
        var projects = Directory.GetFiles(SourceTree.Root, "*.csproj", SearchOption.AllDirectories)
            .Where(project => File.ReadAllText(project).Contains($"\"{package}\"", StringComparison.Ordinal))
            .Select(project => Path.GetFileNameWithoutExtension(project));

        projects.ShouldBe([adapter]);
        File.ReadAllText(Path.Combine(SourceTree.Root, "EcomStream.slnx")).ShouldNotContain(adapter);
        File.ReadAllText(Path.Combine(SourceTree.Root, "official", "EcomStream.Official.slnx")).ShouldContain($"../src/{adapter}/{adapter}.csproj");
    }

    // A filter ignores a trait that is misspelled.
    [Fact]
    public void The_fast_subset_is_what_CONTRIBUTING_says()
    {
        File.ReadAllText(Path.Combine(SourceTree.Root, "CONTRIBUTING.md")).ShouldContain("--filter \"Speed!=Slow\"");
        var traits = Directory.GetFiles(Path.Combine(SourceTree.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            .SelectMany(File.ReadLines)
            .Where(line => line.TrimStart().StartsWith("[Trait(", StringComparison.Ordinal))
            .ToList();
        traits.Count.ShouldBeGreaterThan(8);
        traits.ShouldAllBe(line => line.Trim() == "[Trait(\"Speed\", \"Slow\")]");
        typeof(ArchitectureTests).Assembly.GetCustomAttributesData()
            .ShouldContain(attribute => attribute.AttributeType == typeof(AssemblyTraitAttribute) && attribute.ConstructorArguments[1].Value!.Equals("Slow"));
    }

    private static string[] References(string assembly) =>
        [.. Assembly.Load(assembly).GetReferencedAssemblies().Select(name => name.Name!)];

    // An assembly of the .NET runtime itself, whatever its name; packages such as System.IO.Hashing are not.
    private static bool IsFramework(string name) =>
        File.Exists(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), name + ".dll"));
}
