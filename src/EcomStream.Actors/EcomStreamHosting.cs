using Akka.Actor;
using Akka.Hosting;

namespace EcomStream.Actors;

/// <summary>EcomStream for Akka.Hosting.</summary>
public static class EcomStreamHosting
{
    /// <summary>
    /// Adds the pipeline to an actor system: supervisors, order actors, writers, the dead-letter sink and the two
    /// streams, built from the HOCON of the system and the ports, drained in its coordinated shutdown.
    /// </summary>
    /// <param name="builder">The system's builder. Its own HOCON must be added before; the defaults are appended here.</param>
    /// <param name="ports">What the pipeline reads from and writes to.</param>
    /// <param name="started">Called with the pipeline when the system has started.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    public static AkkaConfigurationBuilder AddEcomStream(
        this AkkaConfigurationBuilder builder,
        EcomStreamPorts ports,
        Action<EcomStreamPipeline>? started = null,
        TimeProvider? time = null) =>
        builder
            .AddHocon(EcomStreamSettings.Reference, HoconAddMode.Append)
            .AddStartup((system, _) =>
            {
                var pipeline = EcomStreamPipeline.Start(system, ports, time);
                started?.Invoke(pipeline);
            });
}
