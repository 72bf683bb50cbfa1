using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Management.Cluster.Bootstrap;
using Akka.Management.Dsl;

namespace EcomStream.Cluster;

/// <summary>How the nodes find each other: static seed nodes, which Akka.Cluster joins itself, or discovery.</summary>
internal static class ClusterFormation
{
    /// <summary>Starts to look for the other nodes.</summary>
    /// <exception cref="ConfigurationException">This node cannot listen where the other nodes would ask it.</exception>
    public static void Start(ActorSystem system, ClusterSettings settings)
    {
        if (settings.Discovery == ClusterDiscovery.Off)
        {
            // Without seed nodes this node is a cluster of its own.
            if (settings.SeedNodes.Count == 0)
            {
                var cluster = Akka.Cluster.Cluster.Get(system);
                cluster.Join(cluster.SelfAddress);
            }

            return;
        }

        var http = AkkaManagement.Get(system).Settings.Http;
        var self = new UriBuilder("http", http.Hostname, http.Port).Uri;
        ContactPoint.Serve(system, http.EffectiveBindHostname, http.EffectiveBindPort, self);
        var bootstrap = ClusterBootstrap.Get(system).Start();
        if (bootstrap.IsFaulted)
        {
            var why = bootstrap.Exception!.GetBaseException();
            throw new ConfigurationException($"ecomstream.cluster.discovery = {settings.Discovery.ToString().ToLowerInvariant()}: discovery cannot start: {why.Message}", why);
        }

        _ = bootstrap.ContinueWith(
            failed => Logging.GetLogger(system, typeof(ClusterFormation)).Error(failed.Exception!.GetBaseException(), "Discovery has ended; this node does not find the others"),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
    }
}
