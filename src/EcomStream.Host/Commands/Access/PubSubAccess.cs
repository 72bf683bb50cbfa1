using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary>
/// Pub/Sub for a command that is no pipeline. Where the broker is the embedded one, it is that of the running
/// process of the same data folder, or while none runs, one of its own on that folder.
/// </summary>
internal sealed class PubSubAccess : IAsyncDisposable
{
    private readonly ILoggerFactory _loggers;
    private readonly EmbeddedBroker? _broker;

    private PubSubAccess(ILoggerFactory loggers, EmbeddedBroker? broker, PubSubConnection connection, ClientKind client)
    {
        (_loggers, _broker) = (loggers, broker);
        Connection = connection;
        Publisher = Clients.Publisher(client, connection);
    }

    public PubSubConnection Connection { get; }

    public IPublisher Publisher { get; }

    /// <exception cref="BrokerStartException">The broker's folder cannot be opened, and no running process says where its broker is.</exception>
    /// <exception cref="PubSubCredentialsException">The credentials for Google Cloud are missing or wrong.</exception>
    public static async Task<PubSubAccess> OpenAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        EmbeddedBroker? broker = null;
        var loggers = LoggerFactory.Create(Logging.ToConsole(LogLevel.Warning));
        try
        {
            var pubsub = settings.PubSub;
            if (settings.RunsBroker)
            {
                (broker, var endpoint) = await BrokerStart.StartOrFindAsync(settings, cancellationToken);
                pubsub = pubsub with { EmulatorHost = endpoint };
            }

            return new PubSubAccess(loggers, broker, await PubSubConnection.OpenAsync(pubsub, loggers, cancellationToken: cancellationToken), settings.PubSubClient);
        }
        catch
        {
            if (broker is not null)
            {
                await broker.DisposeAsync();
            }

            loggers.Dispose();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Publisher.DisposeAsync();
        Connection.Dispose();
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }

        _loggers.Dispose();
    }
}
