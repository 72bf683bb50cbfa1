using System.Diagnostics.Metrics;

namespace EcomStream.Cluster;

/// <summary>What a node knows of the cluster, as instruments of the meter <c>EcomStream.Cluster</c>.</summary>
public sealed class ClusterGauges : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "EcomStream.Cluster";

    private readonly Meter _meter = new(MeterName);

    /// <summary>Makes the instruments.</summary>
    /// <param name="hosted">The shards of this node.</param>
    /// <param name="cluster">The cluster.</param>
    internal ClusterGauges(HostedShards hosted, Akka.Cluster.Cluster cluster)
    {
        _meter.CreateObservableGauge("ecomstream.cluster.nodes", () => cluster.State.Members.Count, "{node}", "Nodes of the cluster.");
        _meter.CreateObservableGauge(
            "ecomstream.cluster.nodes.unreachable", () => cluster.State.Unreachable.Count, "{node}", "Nodes of the cluster that do not answer.");
        _meter.CreateObservableGauge("ecomstream.cluster.shards", () => hosted.All.Count, "{shard}", "Shards that run on this node.");
        _meter.CreateObservableCounter(
            "ecomstream.cluster.shards.started", () => hosted.Started, "{shard}", "Shards that have started on this node: hand-overs to it.");
        _meter.CreateObservableCounter(
            "ecomstream.cluster.messages.given_back", () => hosted.GivenBack, "{message}",
            "Messages given back to their subscription, because their shard was moved, lost or had too many.");
        _meter.CreateObservableCounter(
            "ecomstream.cluster.shard.messages",
            () => hosted.All.Select(shard => new Measurement<long>(shard.Messages, new KeyValuePair<string, object?>("ecomstream.shard", shard.Number))),
            "{message}", "Messages that each shard of this node has accepted, by shard.");
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
