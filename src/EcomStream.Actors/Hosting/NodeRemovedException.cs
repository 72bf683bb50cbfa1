namespace EcomStream.Actors;

/// <summary>The cluster has removed this node, and other nodes have taken over its shards.</summary>
public sealed class NodeRemovedException()
    : Exception("This node was removed from the cluster: the other nodes could not reach it and have taken over its shards. Its messages go back to their subscriptions; start it again to join the cluster");
