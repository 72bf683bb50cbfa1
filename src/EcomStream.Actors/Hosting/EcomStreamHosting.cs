using Akka.Actor;
using Akka.DependencyInjection;
using Akka.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Actors;

/// <summary>What happens to the host when its pipeline fails.</summary>
public enum PipelineFailureAction
{
    /// <summary>The host stops.</summary>
    StopHost,

    /// <summary>The host runs on; <see cref="EcomStreamPipeline.Completion"/> has the reason.</summary>
    None,
}

/// <summary>EcomStream for Akka.Hosting.</summary>
public static class EcomStreamHosting
{
    /// <summary>
    /// Adds the pipeline to an actor system: supervisors, order actors, writers, the dead-letter sink and the streams.
    /// It takes its settings from <c>ecomstream</c> in the system's HOCON, whenever that is added, and its defaults from
    /// <see cref="EcomStreamSettings.Reference"/>.
    /// </summary>
    /// <param name="builder">The system's builder.</param>
    /// <param name="ports">What the pipeline reads from and writes to.</param>
    /// <param name="started">Called with the pipeline when the system has started.</param>
    /// <param name="time">The clock; that of the system's scheduler when left out.</param>
    /// <param name="onFailure">What happens to the host when the pipeline fails.</param>
    /// <param name="name">The name of the pipeline; two pipelines of one system need two names.</param>
    public static AkkaConfigurationBuilder AddEcomStream(
        this AkkaConfigurationBuilder builder,
        EcomStreamPorts ports,
        Action<EcomStreamPipeline>? started = null,
        TimeProvider? time = null,
        PipelineFailureAction onFailure = PipelineFailureAction.StopHost,
        string name = "ecomstream") =>
        builder.AddStartup((system, registry) =>
        {
            var pipeline = EcomStreamPipeline.Start(system, ports, time, name);
            started?.Invoke(pipeline);
            _ = ReportFailureAsync(pipeline, system, onFailure);
        });

    private static async Task ReportFailureAsync(EcomStreamPipeline pipeline, ActorSystem system, PipelineFailureAction onFailure)
    {
        var services = DependencyResolver.For(system).Resolver;
        try
        {
            await pipeline.Completion;
        }
        catch (Exception failure)
        {
            // The actor system may log elsewhere than the host.
            services.GetService<ILoggerFactory>()?.CreateLogger(typeof(EcomStreamPipeline).FullName!).LogCritical(
                PipelineFailures.Trace(failure), "The EcomStream pipeline {Pipeline} has failed: {Error}", pipeline.Name, failure.Message);
            if (onFailure == PipelineFailureAction.StopHost)
            {
                services.GetService<IHostApplicationLifetime>()?.StopApplication();
            }
        }
    }
}
