using EcomStream.Actors;
using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>What the shards of one node share.</summary>
/// <param name="pipeline">The pipeline of the node.</param>
/// <param name="membership">What the node knows of the others.</param>
internal sealed class ClusterNode(EcomStreamPipeline pipeline, ClusterMembership membership)
{
    /// <summary>The settings.</summary>
    public EcomStreamSettings Settings => pipeline.Settings;

    /// <summary>Facts and unmatched payments.</summary>
    public IFactStore Store => pipeline.Ports.Store;

    /// <summary>Publishes dead letters.</summary>
    public IPublisher Publisher => pipeline.Ports.Publisher;

    /// <summary>The counters.</summary>
    public EcomStreamMetrics Metrics => pipeline.Metrics;

    /// <summary>The clock.</summary>
    public TimeProvider Time => pipeline.Time;

    /// <summary>The shards that run here.</summary>
    public HostedShards Hosted { get; } = new();

    /// <summary>Reads the unmatched payments of shards that start.</summary>
    public UnmatchedLoader Loader { get; } = new(pipeline.Ports.Store, pipeline.Settings.Shards);

    /// <summary>Whether the node owns its shards.</summary>
    public INodeOwnership Ownership => membership;

    /// <summary>How far the orders have been read by all nodes.</summary>
    public WatermarkReading Watermark() => membership.Watermark();
}
