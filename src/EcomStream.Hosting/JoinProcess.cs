using System.Collections;
using System.Diagnostics;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>A started host with a pipeline, which handles SIGTERM and Ctrl-C.</summary>
internal sealed class JoinProcess : IAsyncDisposable
{
    private static readonly TimeSpan _drainReport = TimeSpan.FromSeconds(2);

    private readonly IHost _host;
    private readonly PipelineService _service;

    private JoinProcess(IHost host)
    {
        _host = host;
        _service = host.Services.GetRequiredService<PipelineService>();
        Counters = host.Services.GetRequiredService<PipelineCounters>();
        (Pipeline, Publisher, Store, Broker) = (_service.Pipeline, _service.Resources.Ports.Publisher, _service.Resources.Ports.Store, _service.Resources.Broker);
    }

    /// <summary>The pipeline.</summary>
    public EcomStreamPipeline Pipeline { get; }

    /// <summary>Publishes to any topic.</summary>
    public IPublisher Publisher { get; }

    /// <summary>The store.</summary>
    public IFactStore Store { get; }

    /// <summary>The embedded broker; null when Pub/Sub is another server.</summary>
    public EmbeddedBroker? Broker { get; }

    /// <summary>A service of the host.</summary>
    public T Get<T>()
        where T : notnull => _host.Services.GetRequiredService<T>();

    /// <summary>What the pipeline has counted; readable after the end, too.</summary>
    public PipelineCounters Counters { get; }

    /// <summary>Cancelled on SIGTERM and Ctrl-C.</summary>
    public CancellationToken Stopping => _host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;

    /// <summary>Starts everything. It is ready when the pipeline's <see cref="EcomStreamPipeline.Started"/> completes.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="logging">Where it logs.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <param name="services">Adds services that start before the pipeline and stop after it.</param>
    /// <param name="onFailure">What happens to the host when the pipeline fails.</param>
    /// <exception cref="BrokerStartException">The embedded broker cannot start.</exception>
    /// <exception cref="PubSubCredentialsException">The credentials for Google Cloud are missing or wrong.</exception>
    public static async Task<JoinProcess> StartAsync(
        HostSettings settings,
        Action<ILoggingBuilder> logging,
        CancellationToken cancellationToken,
        Action<IServiceCollection>? services = null,
        PipelineFailureAction onFailure = PipelineFailureAction.StopHost)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        logging(builder.Logging);

        // The OpenTelemetry SDK reads its variables from the configuration of the host.
        builder.Configuration.AddInMemoryCollection(
            Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
                .Where(variable => ((string)variable.Key).StartsWith("OTEL_", StringComparison.Ordinal))
                .Select(variable => KeyValuePair.Create((string)variable.Key, (string?)variable.Value)));

        // The host logs a failed start with its stack trace; the caller reports the exception.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        services?.Invoke(builder.Services);
        builder.Services.AddEcomStream(settings, options => options.OnFailure = onFailure);
        var host = builder.Build();
        try
        {
            await host.StartAsync(cancellationToken);
            return new JoinProcess(host);
        }
        catch (Exception failure)
        {
            var completion = host.Services.GetRequiredService<PipelineService>().PipelineOrNull?.Completion;
            await DisposeAsync(host);
            if (failure is OperationCanceledException && completion is { IsFaulted: true })
            {
                // The pipeline failed while the host was starting, which cancelled the start.
                await completion;
            }

            throw;
        }
    }

    /// <summary>Completes when the pipeline fails, when it has been idle for so long, or when the process is told to stop.</summary>
    /// <param name="untilIdle">How long nothing may have arrived, waited or been in flight; null to run until stopped.</param>
    /// <param name="stop">Stops it too.</param>
    /// <exception cref="Exception">What the pipeline failed with.</exception>
    public async Task RunAsync(TimeSpan? untilIdle, CancellationToken stop)
    {
        using var stopped = CancellationTokenSource.CreateLinkedTokenSource(stop, Stopping);
        try
        {
            await Pipeline.Started.WaitAsync(stopped.Token);
            while (!(untilIdle is { } idle && Pipeline.Status.IsIdleFor(idle)))
            {
                var tick = Task.Delay(TimeSpan.FromMilliseconds(100), stopped.Token);
                await await Task.WhenAny(tick, Pipeline.Completion);
                if (Pipeline.Completion.IsCompleted)
                {
                    // It may have failed just after the tick.
                    await Pipeline.Completion;
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            // Told to stop: whoever called disposes, and that drains. A pipeline that has failed stops the host as well.
            if (Pipeline.Completion.IsFaulted)
            {
                await Pipeline.Completion;
            }
        }
    }

    /// <summary>Drains the pipeline, then closes what it used.</summary>
    public async ValueTask DisposeAsync()
    {
        using (var stopped = new CancellationTokenSource())
        {
            var progress = ReportDrainingAsync(stopped.Token);
            await _host.StopAsync();
            await _service.DisposeAsync();
            await stopped.CancelAsync();
            await progress;
        }

        await DisposeAsync(_host);
    }

    private int Outstanding => Pipeline.Status.Orders.OutstandingMessages + Pipeline.Status.Payments.OutstandingMessages;

    private async Task ReportDrainingAsync(CancellationToken stopped)
    {
        var logger = _host.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(JoinProcess).FullName!);
        var clock = Stopwatch.StartNew();
        var before = Outstanding;
        try
        {
            while (true)
            {
                await Task.Delay(_drainReport, stopped);
                var now = Outstanding;
                var rate = (before - now) / _drainReport.TotalSeconds;
                before = now;
                logger.LogInformation(
                    "Draining for {Seconds:0} s: {Outstanding} messages in flight, {Left} left; press Ctrl-C again to exit at once",
                    clock.Elapsed.TotalSeconds, now, rate > 0 ? $"about {Math.Ceiling(now / rate):0} s" : "an unknown time");
            }
        }
        catch (OperationCanceledException)
        {
            // It has drained.
        }
    }

    private static async ValueTask DisposeAsync(IHost host)
    {
        if (host is IAsyncDisposable disposable)
        {
            await disposable.DisposeAsync();
        }
        else
        {
            host.Dispose();
        }
    }
}
