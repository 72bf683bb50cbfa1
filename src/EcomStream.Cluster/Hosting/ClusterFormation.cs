using Akka.Actor;
using Akka.Configuration;
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
        _ = ClusterBootstrap.Get(system).Start();
    }
}
