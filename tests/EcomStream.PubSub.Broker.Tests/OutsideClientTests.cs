using System.Diagnostics;
using System.Text.Json;
using EcomStream.TestSupport;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>The official Node client of Cloud Pub/Sub, with PUBSUB_EMULATOR_HOST as its only setting.</summary>
public sealed class OutsideClientTests : IDisposable
{
    private const string FolderVariable = "ECOMSTREAM_TEST_NODE_PUBSUB";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task The_official_client_makes_a_topic_and_a_subscription_publishes_receives_nacks_and_acks()
    {
        var client = Environment.GetEnvironmentVariable(FolderVariable);
        Skip.If(
            string.IsNullOrEmpty(client),
            $"needs Node and @google-cloud/pubsub: run 'npm ci' in tests/EcomStream.EndToEnd.Tests/outside-client and set {FolderVariable} to that folder");
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder.Path });

        // Fewer than the 3,000 acks at which the client sends a batch by itself: an ack() that finds the batch full waits
        // for that call, and close() drops it (seen with 5.3.1).
        var said = JsonDocument.Parse(await NodeAsync(client!, broker.Endpoint, "2000")).RootElement;

        said.GetProperty("published").GetInt32().ShouldBe(2_000);
        said.GetProperty("right").GetInt32().ShouldBe(2_000);
        said.GetProperty("nackedCameBack").GetBoolean().ShouldBeTrue();
        said.GetProperty("topics").EnumerateArray().Select(name => name.GetString()).ShouldBe(["projects/outside/topics/everyday"]);
        said.GetProperty("subscriptions").EnumerateArray().Select(name => name.GetString()).ShouldBe(["projects/outside/subscriptions/everyday-sub"]);
        said.GetProperty("ackDeadlineSeconds").GetInt32().ShouldBe(30);
        await Eventually.True(() => broker.GetSubscriptionStats("projects/outside/subscriptions/everyday-sub")!.Value.Backlog == 0, "every message is acked");
    }

    private static async Task<string> NodeAsync(string client, string endpoint, params string[] arguments)
    {
        var start = new ProcessStartInfo("node") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "outside-client", "everyday.cjs"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["PUBSUB_EMULATOR_HOST"] = endpoint;
        start.Environment["NODE_PATH"] = Path.Combine(client, "node_modules");
        using var node = Process.Start(start)!;
        var output = node.StandardOutput.ReadToEndAsync();
        var error = node.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await node.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            node.Kill(entireProcessTree: true);
            Assert.Fail($"The client did not end within 60 s. {await error}");
        }

        node.ExitCode.ShouldBe(0, await error);
        return await output;
    }
}
