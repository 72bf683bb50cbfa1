namespace EcomStream.Cassandra.Seam;

/// <summary>The nodes that hold the same partitions.</summary>
/// <param name="Nodes">The client's own object for them, the same one for the same nodes.</param>
internal readonly record struct ReplicaGroup(object Nodes);
