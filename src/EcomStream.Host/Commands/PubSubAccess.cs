using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary>
/// A publisher for a command that is no pipeline. Where the broker is the embedded one, it is that of the running
/// process of the same data folder, or while none runs, one of its own on that folder.
/// </summary>
internal sealed class PubSubAccess : IAsyncDisposable
{
    private readonly ILoggerFactory _loggers = LoggerFactory.Create(Logging.ToConsole(LogLevel.Warning));
    private readonly EmbeddedBroker? _broker;
    private readonly PubSubConnection _connection;

    private PubSubAccess(PubSubSettings settings, EmbeddedBroker? broker)
    {
        _broker = broker;
        _connection = PubSubConnection.Create(settings, _loggers);
        Publisher = new PubSubPublisher(_connection);
    }

    public IPublisher Publisher { get; }

    /// <exception cref="BrokerStartException">The broker's folder cannot be opened, and no running process says where its broker is.</exception>
    public static async Task<PubSubAccess> OpenAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        if (!settings.RunsBroker)
        {
            return new PubSubAccess(settings.PubSub, null);
        }

        EmbeddedBroker broker;
        try
        {
            broker = await EmbeddedBroker.StartAsync(
                new EmbeddedBrokerOptions { DataDirectory = settings.BrokerDirectory, Host = settings.BrokerHost, Port = 0 }, cancellationToken);
        }
        catch (BrokerStartException) when (BrokerEndpointFile.Read(settings) is { } running)
        {
            return new PubSubAccess(settings.PubSub with { EmulatorHost = running }, null);
        }

        return new PubSubAccess(settings.PubSub with { EmulatorHost = broker.Endpoint }, broker);
    }

    public async ValueTask DisposeAsync()
    {
        await Publisher.DisposeAsync();
        _connection.Dispose();
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }

        _loggers.Dispose();
    }
}
