namespace EcomStream.Cql.Cluster;

/// <summary>How many replicas have a write for certain when it is confirmed.</summary>
internal static class Confirmations
{
    /// <param name="consistency">The consistency that it was sent with.</param>
    /// <param name="replicas">The datacenter of each replica.</param>
    /// <param name="localDatacenter">The datacenter of the node that it was sent to.</param>
    public static int Of(Consistency consistency, IReadOnlyCollection<string> replicas, string localDatacenter) => consistency switch
    {
        Consistency.Two => 2,
        Consistency.Three => 3,
        Consistency.Quorum => MajorityOf(replicas.Count),
        Consistency.All => replicas.Count,
        Consistency.LocalQuorum => MajorityOf(replicas.Count(datacenter => datacenter == localDatacenter)),
        Consistency.EachQuorum => replicas.GroupBy(datacenter => datacenter).Sum(datacenter => MajorityOf(datacenter.Count())),
        Consistency.Any => 0,
        _ => 1,
    };

    private static int MajorityOf(int replicas) => (replicas / 2) + 1;
}
