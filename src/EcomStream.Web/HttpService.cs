using EcomStream.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace EcomStream.Web;

/// <summary>Runs the HTTP endpoint of a pipeline's host: it starts before the pipeline and stops after it.</summary>
internal sealed class HttpService(HttpSettings settings, IServiceProvider services, ILoggerFactory loggers) : IHostedLifecycleService, IAsyncDisposable
{
    private readonly ILogger _logger = loggers.CreateLogger<HttpService>();
    private HttpServer? _server;

    /// <summary>Where it listens, such as http://127.0.0.1:9090; null before the start.</summary>
    public string? Url => _server?.Url;

    /// <summary>Adds the endpoint, and the telemetry that it exports, to a host. Call it before AddEcomStream.</summary>
    public static void Add(IServiceCollection services, HttpSettings? settings, double traceRatio)
    {
        EcomStreamTelemetry.Add(services, traceRatio, settings is null ? null : metrics => metrics.AddPrometheusExporter());
        if (settings is null)
        {
            return;
        }

        services.AddSingleton(settings);
        services.AddSingleton(new RecentLogs(TimeProvider.System));
        services.AddSingleton<ILoggerProvider>(provider => provider.GetRequiredService<RecentLogs>());
        services.AddSingleton<HttpService>();
        services.AddHostedService(provider => provider.GetRequiredService<HttpService>());
    }

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        var monitor = services.GetRequiredService<PipelineMonitor>();
        var dashboard = new Dashboard(
            services.GetRequiredService<HostSettings>(), settings, monitor, services.GetRequiredService<PipelineService>(),
            services.GetRequiredService<RecentLogs>(), loggers);
        _server = await HttpServer.StartAsync(
            settings, loggers, () => monitor.Report, services.GetRequiredService<MeterProvider>(), dashboard.Map, cancellationToken);
        _logger.LogInformation("Dashboard, health and metrics on {Url}", _server.Url);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppedAsync(CancellationToken cancellationToken) => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _server, null) is { } server)
        {
            await server.DisposeAsync();
        }
    }
}
