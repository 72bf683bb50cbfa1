using System.Net.Sockets;
using Akka.Configuration;
using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace EcomStream.Web;

/// <summary>
/// A web server of its own beside a host: it answers while the pipeline starts and while it drains.
/// </summary>
internal sealed class HttpServer : IAsyncDisposable
{
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly WebApplication _app;

    private HttpServer(WebApplication app)
    {
        _app = app;
        Url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    /// <summary>Where it listens, such as http://127.0.0.1:9090.</summary>
    public string Url { get; }

    /// <summary>Starts to listen.</summary>
    /// <param name="settings">How it runs.</param>
    /// <param name="loggers">Where it logs.</param>
    /// <param name="report">Returns the current health.</param>
    /// <param name="metrics">The metrics that /metrics exports; it has the Prometheus exporter.</param>
    /// <param name="map">Adds more endpoints.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <exception cref="ConfigurationException">The address cannot be used, such as a port in use.</exception>
    public static async Task<HttpServer> StartAsync(
        HttpSettings settings,
        ILoggerFactory loggers,
        Func<HealthReport> report,
        MeterProvider metrics,
        Action<IEndpointRouteBuilder>? map,
        CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddSingleton(loggers);
        builder.Services.AddRouting();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 1 << 20;
            kestrel.Listen(settings.Address, settings.Port);
        });
        var app = builder.Build();
        app.Use(new AccessControl(settings).InvokeAsync);
        app.UseRouting();
        HealthEndpoints.Map(app, report);
        app.MapPrometheusScrapingEndpoint("/metrics", metrics, configureBranchedPipeline: null, optionsName: null);
        map?.Invoke(app);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception error)
        {
            await app.DisposeAsync();
            throw error is IOException or SocketException
                ? new ConfigurationException(
                    $"The HTTP endpoint cannot listen on {settings.Address}:{settings.Port} ({error.Message.TrimEnd('.')}). Stop what uses the port, or give another one with --http.", error)
                : error;
        }

        return new HttpServer(app);
    }

    /// <summary>Stops to listen; open connections are closed after two seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        using (var patience = new CancellationTokenSource(StopPatience))
        {
            await _app.StopAsync(patience.Token);
        }

        await _app.DisposeAsync();
    }

    // The host that this runs beside handles the signals.
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
