using Akka.Configuration;
using Akka.Hosting;
using EcomStream.Actors;
using EcomStream.PubSub;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>EcomStream for a generic host.</summary>
public static class EcomStreamServices
{
    /// <summary>
    /// Adds everything from configuration to a running pipeline: the store, the connection to Pub/Sub or the embedded
    /// broker, and the pipeline in an actor system of its own. The pipeline starts and drains with the host. After the
    /// start, <see cref="EcomStreamPipeline"/> is a service; its <see cref="EcomStreamPipeline.Started"/> completes when
    /// the store is open and the subscriptions are being read. A start that fails closes what it has opened. Health checks
    /// with the tags <c>ecomstream</c> and <c>ready</c> are added.
    /// </summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="configuration">
    /// Settings under <c>ecomstream</c>, without the defaults; see <see cref="EcomStreamConfiguration"/>. PUBSUB_EMULATOR_HOST
    /// is taken from the environment, and the project from PUBSUB_PROJECT_ID or GOOGLE_CLOUD_PROJECT where no setting names it.
    /// </param>
    /// <param name="configure">Changes the options.</param>
    /// <exception cref="ConfigurationException">A setting is wrong or unknown; the message names its path.</exception>
    public static IServiceCollection AddEcomStream(
        this IServiceCollection services, Config configuration, Action<EcomStreamHostingOptions>? configure = null)
    {
        var emulatorHost = Environment.GetEnvironmentVariable(PubSubSettings.EmulatorVariable);
        return ConfigurationCheck.Problems(configuration, emulatorHost) is { Count: > 0 } problems
            ? throw new ConfigurationException(string.Join(Environment.NewLine, problems))
            : services.AddEcomStream(HostSettings.Read(configuration, emulatorHost, Environment.GetEnvironmentVariables()), configure);
    }

    /// <summary>Adds the pipeline with settings that were read before.</summary>
    internal static IServiceCollection AddEcomStream(
        this IServiceCollection services, HostSettings settings, Action<EcomStreamHostingOptions>? configure = null)
    {
        var options = new EcomStreamHostingOptions();
        configure?.Invoke(options);
        services.AddLogging();
        services.AddSingleton(settings);
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<PipelineService>();
        services.AddSingleton<PipelineCounters>();
        services.AddSingleton<PipelineMonitor>();
        services.AddSingleton<PipelineGauges>();
        services.AddHostedService(provider =>
        {
            provider.GetRequiredService<PipelineGauges>();
            return provider.GetRequiredService<PipelineMonitor>();
        });
        services.AddHostedService(provider => provider.GetRequiredService<PipelineService>());
        services.AddSingleton(provider => provider.GetRequiredService<PipelineService>().Pipeline);
        var checks = services.AddHealthChecks();
        foreach (var name in HealthRules.Names)
        {
            checks.Add(new HealthCheckRegistration(
                $"ecomstream-{name}", provider => new PipelineHealthCheck(provider.GetRequiredService<PipelineMonitor>(), name), null, ["ecomstream", "ready"]));
        }

        services.PostConfigure<HostOptions>(host =>
        {
            // The host must not give up before the pipeline has drained.
            var least = settings.Pipeline.ShutdownTimeout + TimeSpan.FromSeconds(15);
            host.ShutdownTimeout = host.ShutdownTimeout < least ? least : host.ShutdownTimeout;
        });
        return services.AddAkka(HostSettings.SystemName, (akka, provider) => WithTls(akka, settings)
            .AddHocon(settings.Config, HoconAddMode.Prepend)
            .ConfigureLoggers(loggers =>
            {
                loggers.ClearLoggers();
                loggers.AddLogger<AkkaLog>();
            })
            .AddSetup(new AkkaLogSetup(provider.GetRequiredService<ILoggerFactory>()))
            .AddStartup((system, _) => provider.GetRequiredService<PipelineService>().StartPipeline(system)));
    }

    private static AkkaConfigurationBuilder WithTls(AkkaConfigurationBuilder akka, HostSettings settings) =>
        settings.Cluster is { Enabled: true, Tls: { } tls } ? akka.AddSetup(tls.ToSetup()) : akka;
}
