using EcomStream.PubSub.Broker;

namespace EcomStream.PubSub.Tests;

/// <summary>A Pub/Sub server that a test talks to.</summary>
public interface IPubSubServer : IAsyncDisposable
{
    /// <summary>Its host:port.</summary>
    string Endpoint { get; }
}

/// <summary>The embedded broker, which a test can stop and start again on the same port with the same files.</summary>
public sealed class EmbeddedServer : IPubSubServer
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");
    private EmbeddedBroker? _broker;

    public string Endpoint { get; private set; } = "";

    public static async Task<EmbeddedServer> StartAsync()
    {
        var server = new EmbeddedServer();
        await server.StartAgainAsync();
        return server;
    }

    public async Task StartAgainAsync()
    {
        var port = Endpoint.Length == 0 ? 0 : int.Parse(Endpoint.Split(':')[1]);
        _broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = _folder.FullName, Port = port });
        Endpoint = _broker.Endpoint;
    }

    public async Task StopAsync()
    {
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
            _broker = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Delete(recursive: true);
    }
}

/// <summary>Google's emulator, started by whoever runs the tests.</summary>
public sealed class EmulatorServer : IPubSubServer
{
    public const string Variable = "ECOMSTREAM_TEST_PUBSUB_EMULATOR";

    public string Endpoint { get; } = Environment.GetEnvironmentVariable(Variable) ?? "";

    /// <summary>Skips the test where nobody has started it.</summary>
    public static void SkipWhereItIsNot() => Skip.If(
        string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable)),
        $"Start Google's Pub/Sub emulator and set {Variable} to its host:port to run this test.");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
