using System.Diagnostics;
using Xunit.Abstractions;

[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: TestCollectionOrderer("EcomStream.Cassandra.Clusters.Tests.CollectionsByName", "EcomStream.Cassandra.Clusters.Tests")]

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>
/// Starts and kills real clusters, one at a time, with the program that whoever runs the tests has named:
/// <c>PROGRAM up single|ring|tls</c> (prints host:port, and for tls the file with the authority), <c>PROGRAM kill N</c>,
/// <c>PROGRAM start N</c>, <c>PROGRAM freeze N</c>, <c>PROGRAM thaw N</c>. The tests that use it do not run beside one another.
/// </summary>
internal static class CassandraClusters
{
    public const string Variable = "ECOMSTREAM_TEST_CASSANDRA_CONTROL";

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(6);

    /// <summary>Starts a cluster in place of the one that runs; the test is skipped where there is no program for it.</summary>
    public static async Task<(string Endpoint, string Authority)> UpAsync(string kind)
    {
        Skip.If(
            string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable)),
            $"needs a program that starts and kills Cassandra clusters: see {nameof(CassandraClusters)} and set {Variable}");
        var lines = (await RunAsync("up", kind)).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return (lines[0], lines.Length > 1 ? lines[1] : "");
    }

    public static Task KillAsync(int node) => RunAsync("kill", $"{node}");

    public static Task StartAsync(int node) => RunAsync("start", $"{node}");

    /// <summary>The node stops running, and its connections stay open.</summary>
    public static Task FreezeAsync(int node) => RunAsync("freeze", $"{node}");

    /// <summary>A frozen node goes on.</summary>
    public static Task ThawAsync(int node) => RunAsync("thaw", $"{node}");

    private static async Task<string> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable(Variable)!) { RedirectStandardOutput = true };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(Deadline);
        var output = new List<string>();
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
            {
                lock (output)
                {
                    output.Add(text);
                }
            }
        };
        process.BeginOutputReadLine();

        // Not until its output ends: the servers that it starts may hold that open.
        while (!process.HasExited)
        {
            await Task.Delay(100, deadline.Token);
        }

        await Task.Delay(200, deadline.Token);
        process.ExitCode.ShouldBe(0, string.Join(' ', arguments));
        lock (output)
        {
            return string.Join('\n', output);
        }
    }
}

/// <summary>Tests on a node with TLS.</summary>
[CollectionDefinition(Name)]
public sealed class TlsCollection
{
    public const string Name = "1 TLS";
}

/// <summary>Tests on a ring of three nodes.</summary>
[CollectionDefinition(Name)]
public sealed class RingCollection
{
    public const string Name = "2 ring";
}

/// <summary>Tests on one node, which is left behind for others.</summary>
[CollectionDefinition(Name)]
public sealed class SingleNodeCollection : ICollectionFixture<SingleNodeFixture>
{
    public const string Name = "3 single node";
}

/// <summary>Leaves a single node behind, which other tests use.</summary>
public sealed class SingleNodeFixture : IAsyncLifetime
{
    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable(CassandraClusters.Variable)))
        {
            await CassandraClusters.UpAsync("single");
        }
    }
}

/// <summary>Orders collections by name, so that each cluster is started once.</summary>
public sealed class CollectionsByName : ITestCollectionOrderer
{
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => collection.DisplayName, StringComparer.Ordinal);
}
