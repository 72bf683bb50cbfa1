using System.Diagnostics;

namespace EcomStream.TestSupport;

/// <summary>The official Node client of Cloud Pub/Sub, which knows nothing of EcomStream, run on a script of the test project.</summary>
public static class OfficialNodeClient
{
    private const string FolderVariable = "ECOMSTREAM_TEST_NODE_PUBSUB";
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(5);

    private static string? Folder => Environment.GetEnvironmentVariable(FolderVariable);

    /// <summary>Skips the test where the client is not installed.</summary>
    public static void SkipWhereItIsNot() => Skip.If(
        string.IsNullOrEmpty(Folder),
        $"needs Node and @google-cloud/pubsub: run 'npm ci' in tests/EcomStream.EndToEnd.Tests/outside-client and set {FolderVariable} to that folder");

    /// <summary>Runs a script of the folder outside-client, with PUBSUB_EMULATOR_HOST as its only setting.</summary>
    /// <returns>What it wrote.</returns>
    public static async Task<string> RunAsync(string script, string endpoint, params string[] arguments)
    {
        var start = new ProcessStartInfo("node") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "outside-client", script));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["PUBSUB_EMULATOR_HOST"] = endpoint;
        start.Environment["NODE_PATH"] = Path.Combine(Folder!, "node_modules");
        using var node = Process.Start(start)!;
        var output = node.StandardOutput.ReadToEndAsync();
        var error = node.StandardError.ReadToEndAsync();
        using var deadline = new CancellationTokenSource(_patience);
        try
        {
            await node.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            node.Kill(entireProcessTree: true);
            Assert.Fail($"The client did not end within {_patience.TotalSeconds:0} s. {await error}");
        }

        node.ExitCode.ShouldBe(0, await error);
        return await output;
    }
}
