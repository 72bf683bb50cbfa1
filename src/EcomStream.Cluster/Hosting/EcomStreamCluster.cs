using Akka.Actor;
using Akka.Hosting;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>EcomStream on several machines.</summary>
public static class EcomStreamCluster
{
    /// <summary>
    /// Adds the pipeline of one node to an actor system of a cluster. Every node reads the same subscriptions and writes to the
    /// same store; the shards of the join are distributed over the nodes. The settings are <c>ecomstream</c> and
    /// <c>ecomstream.cluster</c> in the system's HOCON.
    /// </summary>
    /// <param name="builder">The system's builder.</param>
    /// <param name="settings">The settings of the cluster; see <see cref="ClusterSettings.Read"/>.</param>
    /// <param name="ports">What the pipeline reads from and writes to. The store must be one that several processes may write to.</param>
    /// <param name="started">Called with the pipeline when the system has started.</param>
    /// <param name="time">The clock; that of the system's scheduler when left out.</param>
    public static AkkaConfigurationBuilder AddEcomStreamCluster(
        this AkkaConfigurationBuilder builder,
        ClusterSettings settings,
        EcomStreamPorts ports,
        Action<EcomStreamPipeline>? started = null,
        TimeProvider? time = null) =>
        (settings.Tls is { } tls ? builder.AddSetup(tls.ToSetup()) : builder)
            .AddHocon(settings.ToAkka(), HoconAddMode.Append)
            .AddHocon(ClusterSettings.AkkaDefaults, HoconAddMode.Append)
            .AddStartup((system, _) => started?.Invoke(Start(system, settings, ports, time)));

    /// <summary>Starts the pipeline of one node, whose actor system has the configuration <see cref="ClusterSettings.ToAkka"/>.</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="settings">The settings of the cluster.</param>
    /// <param name="ports">What the pipeline reads from and writes to.</param>
    /// <param name="time">The clock; that of the system's scheduler when left out.</param>
    /// <param name="name">The name of the pipeline, the same on all nodes.</param>
    public static EcomStreamPipeline Start(
        ActorSystem system, ClusterSettings settings, EcomStreamPorts ports, TimeProvider? time = null, string name = "ecomstream")
    {
        ClusterFormation.Start(system, settings);
        return EcomStreamPipeline.Start(system, ports, time, name, pipeline => new ClusterShards(pipeline, system, settings));
    }
}
