using System.Reflection;
using EcomStream.TestSupport;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>docs/broker.md says where Google's emulator does otherwise, and only that.</summary>
public sealed class DifferencesTests
{
    [Fact]
    public void The_documentation_lists_every_difference_of_the_emulator()
    {
        var rows = File.ReadAllLines(Path.Combine(SourceTree.Root, "docs", "broker.md")).Where(line => line.EndsWith(") |", StringComparison.Ordinal)).ToList();
        rows.ShouldBe(Differences(), $"Replace the rows of the table by:{Environment.NewLine}{string.Join(Environment.NewLine, Differences())}");
    }

    private static List<string> Differences() =>
    [
        .. from type in typeof(ConformanceTest).Assembly.GetTypes()
           where type.IsSubclassOf(typeof(ConformanceTest))
           orderby type.Name
           from method in type.GetMethods()
           let behaviour = method.GetCustomAttribute<OnBothAttribute>()
           where behaviour?.Emulator is not null
           orderby type.Name, method.Name
           select $"| `{type.Name.Replace("ConformanceTests", "", StringComparison.Ordinal)}`: {method.Name.Replace('_', ' ')} | {behaviour.Emulator} | [documented]({behaviour.Reference}) |",
    ];
}
