using Akka.Cluster;
using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>A cluster as one of its nodes sees it.</summary>
/// <param name="Self">The address of that node.</param>
/// <param name="AllShards">The number of shards.</param>
/// <param name="Nodes">Every node.</param>
public sealed record ClusterStatus(string Self, int AllShards, IReadOnlyList<ClusterNodeStatus> Nodes)
{
    /// <summary>The cluster of a pipeline; null when the pipeline is not a node of one.</summary>
    public static ClusterStatus? Of(EcomStreamPipeline pipeline) => (pipeline.Shards as ClusterShards)?.Status();
}

/// <summary>A node of a cluster, as its last report says.</summary>
/// <param name="Address">Its address.</param>
/// <param name="State">Its state in the cluster: Joining, Up, Leaving, ...</param>
/// <param name="IsUnreachable">Whether it does not answer.</param>
/// <param name="Shards">The shards that run on it, with the messages that each has accepted since it started there.</param>
/// <param name="ShardsStarted">How often a shard has started on it: hand-overs to it.</param>
/// <param name="Outstanding">Messages that it has received and not settled.</param>
/// <param name="WatermarkMicros">Up to when the orders that it has received are durable, microseconds since the Unix epoch; null while it has not said.</param>
public sealed record ClusterNodeStatus(
    string Address,
    string State,
    bool IsUnreachable,
    IReadOnlyList<(int Shard, long Messages)> Shards,
    long ShardsStarted,
    int Outstanding,
    long? WatermarkMicros);
