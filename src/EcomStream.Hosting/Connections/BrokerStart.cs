using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>Starts embedded brokers, for a pipeline, for a command beside it, and alone.</summary>
internal static class BrokerStart
{
    /// <summary>Starts the broker of a pipeline and publishes its endpoint for the commands that run beside it.</summary>
    /// <exception cref="BrokerStartException">The port is taken, or the folder cannot be used.</exception>
    public static async Task<EmbeddedBroker> StartForPipelineAsync(HostSettings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var broker = await StartAsync(
            new EmbeddedBrokerOptions
            {
                DataDirectory = settings.BrokerDirectory,
                Host = settings.BrokerHost,
                Port = settings.BrokerPort,
                Fsync = settings.BrokerFsync,
                FsyncInterval = settings.BrokerFsyncInterval,
                LoggerFactory = loggers,
            },
            cancellationToken);
        try
        {
            BrokerEndpointFile.Write(settings, broker.Endpoint);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Starts a broker on the data folder, or returns the endpoint of the process that runs one there; the broker is null
    /// then.
    /// </summary>
    /// <exception cref="BrokerStartException">
    /// The folder is damaged or cannot be used, or another process uses it and has not published its endpoint.
    /// </exception>
    public static async Task<(EmbeddedBroker? Broker, string Endpoint)> StartOrFindAsync(HostSettings settings, CancellationToken cancellationToken)
    {
        try
        {
            var broker = await StartAsync(
                new EmbeddedBrokerOptions { DataDirectory = settings.BrokerDirectory, Host = settings.BrokerHost, Port = 0 }, cancellationToken);
            return (broker, broker.Endpoint);
        }
        catch (BrokerStartException inUse) when (inUse.IsFolderInUse && BrokerEndpointFile.Read(settings) is { } running)
        {
            return (null, running);
        }
    }

    /// <summary>Starts a broker.</summary>
    /// <exception cref="BrokerStartException">The port is taken, or the folder cannot be used.</exception>
    public static Task<EmbeddedBroker> StartAsync(EmbeddedBrokerOptions options, CancellationToken cancellationToken) =>
        EmbeddedBroker.StartAsync(options, cancellationToken);
}
