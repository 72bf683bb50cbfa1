using Akka.Hosting;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host;

/// <summary>
/// The running process: the embedded broker where there is one, the connection, the store and the pipeline in a
/// generic host, which hears SIGTERM and Ctrl-C.
/// </summary>
internal sealed class JoinProcess : IAsyncDisposable
{
    private readonly IHost _host;
    private readonly EmbeddedBroker? _broker;
    private readonly PubSubConnection _connection;
    private readonly EcomStreamPorts _ports;
    private readonly ILoggerFactory _loggers;
    private readonly HostSettings _settings;

    private JoinProcess(
        HostSettings settings,
        IHost host,
        ILoggerFactory loggers,
        EmbeddedBroker? broker,
        PubSubConnection connection,
        EcomStreamPorts ports,
        EcomStreamPipeline pipeline)
    {
        _settings = settings;
        _loggers = loggers;
        _host = host;
        _broker = broker;
        _connection = connection;
        _ports = ports;
        Pipeline = pipeline;
    }

    public EcomStreamPipeline Pipeline { get; }

    public IPublisher Publisher => _ports.Publisher;

    public IFactStore Store => _ports.Store;

    /// <summary>The embedded broker; null when Pub/Sub is another server.</summary>
    public EmbeddedBroker? Broker => _broker;

    /// <summary>Cancelled on SIGTERM and Ctrl-C.</summary>
    public CancellationToken Stopping => _host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;

    /// <summary>Starts everything. It is ready when the pipeline's <see cref="EcomStreamPipeline.Started"/> completes.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="logging">Where it logs.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    /// <exception cref="BrokerStartException">The embedded broker cannot start.</exception>
    /// <exception cref="PubSubCredentialsException">The credentials for Google Cloud are missing or wrong.</exception>
    public static async Task<JoinProcess> StartAsync(
        HostSettings settings, Action<ILoggingBuilder> logging, CancellationToken cancellationToken)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        logging(builder.Logging);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = settings.Pipeline.ShutdownTimeout + TimeSpan.FromSeconds(15));
        var loggers = LoggerFactory.Create(logging);

        EmbeddedBroker? broker = null;
        PubSubConnection? connection = null;
        IFactStore? store = null;
        try
        {
            if (settings.RunsBroker)
            {
                broker = await EmbeddedBroker.StartAsync(
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
                BrokerEndpointFile.Write(settings, broker.Endpoint);
                settings = settings with { PubSub = settings.PubSub with { EmulatorHost = broker.Endpoint } };
            }

            connection = await PubSubConnection.OpenAsync(settings.PubSub, loggers, cancellationToken: cancellationToken);
            store = Stores.Create(settings, loggers, isPipeline: true);
            await Setup.CreateMissingAsync(settings, connection, loggers, cancellationToken);
            var ports = new EcomStreamPorts(
                store,
                new PubSubSubscription(connection, settings.Pipeline.OrdersSubscription),
                new PubSubSubscription(connection, settings.Pipeline.PaymentsSubscription),
                new PubSubPublisher(connection),
                settings.Pipeline.HealFromSubscription is { } letters ? new PubSubSubscription(connection, letters) : null);

            var pipeline = new TaskCompletionSource<EcomStreamPipeline>(TaskCreationOptions.RunContinuationsAsynchronously);
            builder.Services.AddAkka("ecomstream", akka => akka
                .AddHocon(settings.Config, HoconAddMode.Prepend)
                .ConfigureLoggers(l =>
                {
                    l.ClearLoggers();
                    l.AddLogger<AkkaLog>();
                })
                .AddSetup(new AkkaLogSetup(loggers))
                .AddEcomStream(ports, pipeline.SetResult));
            var host = builder.Build();
            await host.StartAsync(cancellationToken);
            return new JoinProcess(settings, host, loggers, broker, connection, ports, await pipeline.Task.WaitAsync(cancellationToken));
        }
        catch
        {
            if (store is not null)
            {
                await store.DisposeAsync();
            }

            connection?.Dispose();
            if (broker is not null)
            {
                await broker.DisposeAsync();
            }

            loggers.Dispose();
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
            // Told to stop: whoever called disposes, and that drains.
        }
    }

    /// <summary>Drains the pipeline, then closes what it used.</summary>
    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await Pipeline.DrainAsync();
        _host.Dispose();
        await _ports.Publisher.DisposeAsync();
        await _ports.Store.DisposeAsync();
        _connection.Dispose();
        if (_broker is not null)
        {
            BrokerEndpointFile.Delete(_settings);
            await _broker.DisposeAsync();
        }

        _loggers.Dispose();
    }
}
