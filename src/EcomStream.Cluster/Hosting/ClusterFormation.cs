using Akka.Actor;
using Akka.Management.Dsl;
using Akka.Management.Cluster.Bootstrap;

namespace EcomStream.Cluster;

/// <summary>How the nodes find each other: static seed nodes, which Akka.Cluster joins itself, or discovery.</summary>
internal static class ClusterFormation
{
    /// <summary>Starts to look for the other nodes.</summary>
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

        _ = AkkaManagement.Get(system).Start();
        _ = ClusterBootstrap.Get(system).Start();
    }
}
