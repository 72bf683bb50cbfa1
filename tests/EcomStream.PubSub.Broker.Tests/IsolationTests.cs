using System.Diagnostics;
using System.Globalization;
using System.Net.NetworkInformation;
using System.Runtime.InteropServices;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>The configuration, the logging and the signals of the process that the broker runs in are not the broker's.</summary>
[Collection(nameof(IsolationTests))]
[CollectionDefinition(nameof(IsolationTests), DisableParallelization = true)]
public sealed class IsolationTests : IDisposable
{
    private const int OtherPort = 18_961;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Endpoints_in_the_appsettings_and_the_environment_of_the_host_are_not_opened()
    {
        var before = Directory.GetCurrentDirectory();
        using var work = new TemporaryFolder();
        await File.WriteAllTextAsync(
            Path.Combine(work.Path, "appsettings.json"),
            $$"""{ "Kestrel": { "Endpoints": { "Shop": { "Url": "http://127.0.0.1:{{OtherPort}}", "Protocols": "Http2" } } }, "Urls": "http://127.0.0.1:{{OtherPort + 1}}" }""");
        string[] variables = ["ASPNETCORE_URLS", "URLS", "DOTNET_URLS", "Kestrel__Endpoints__Shop__Url", "ASPNETCORE_HTTP_PORTS"];
        try
        {
            Directory.SetCurrentDirectory(work.Path);
            foreach (var variable in variables)
            {
                Environment.SetEnvironmentVariable(variable, variable.EndsWith("PORTS", StringComparison.Ordinal) ? $"{OtherPort + 2}" : $"http://127.0.0.1:{OtherPort + 3}");
            }

            await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
            await client.PublishAsync("works");
            var listening = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Select(endpoint => endpoint.Port).ToList();
            listening.ShouldContain(client.Broker.Port);
            listening.ShouldNotContain(port => port >= OtherPort && port <= OtherPort + 3);
        }
        finally
        {
            Directory.SetCurrentDirectory(before);
            foreach (var variable in variables)
            {
                Environment.SetEnvironmentVariable(variable, null);
            }
        }
    }

    [SkippableFact]
    public async Task A_signal_to_the_process_is_neither_taken_from_it_nor_stops_the_broker()
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows has no SIGTERM");
        var handled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);

        // The handler that was registered first is called last: it sees what the others have decided.
        using var registration = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            handled.TrySetResult(context.Cancel);
            context.Cancel = true;
        });
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using (var kill = Process.Start("kill", ["-TERM", Environment.ProcessId.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync();
        }

        (await handled.Task.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBeFalse("the broker has cancelled the default handling of the signal");
        await client.PublishAsync("goes on");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["goes on"]);
    }
}
