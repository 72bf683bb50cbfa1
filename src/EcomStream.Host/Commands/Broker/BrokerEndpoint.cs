using Akka.Configuration;
using EcomStream.Web;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace EcomStream.Host.Commands;

/// <summary>Health and metrics of a broker on its own.</summary>
internal sealed class BrokerEndpoint : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly HttpServer? _server;

    private BrokerEndpoint(ServiceProvider services, HttpServer? server) => (_services, _server) = (services, server);

    /// <summary>Starts the endpoint of a broker that runs, where an address is given.</summary>
    /// <exception cref="ConfigurationException">The address is wrong or in use.</exception>
    public static async Task<BrokerEndpoint> StartAsync(HttpSettings? http, HostSettings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var collection = new ServiceCollection();
        EcomStreamTelemetry.Add(collection, settings.Operations.TraceRatio, http is null ? null : metrics => metrics.AddPrometheusExporter());
        var services = collection.BuildServiceProvider();
        var report = new HealthReport([new HealthEntry("broker", HealthState.Ok, "The broker runs.")]);
        try
        {
            var server = http is null
                ? null
                : await HttpServer.StartAsync(http, loggers, () => report, services.GetRequiredService<MeterProvider>(), null, cancellationToken);
            return new BrokerEndpoint(services, server);
        }
        catch
        {
            await services.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        await _services.DisposeAsync();
    }
}
