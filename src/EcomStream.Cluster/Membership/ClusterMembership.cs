using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>What a node knows of the cluster. Thread-safe.</summary>
/// <param name="self">This node.</param>
/// <param name="validity">How long a confirmation of ownership is valid.</param>
/// <param name="time">The clock.</param>
internal sealed class ClusterMembership(NodeId self, TimeSpan validity, TimeProvider time) : INodeOwnership
{
    private readonly Lock _lock = new();
    private readonly OwnershipRules _ownership = new(self, validity);
    private readonly ClusterWatermark _watermark = new();
    private readonly Dictionary<NodeId, long> _heard = [];

    /// <summary>This node.</summary>
    public NodeId Self { get; } = self;

    /// <inheritdoc/>
    public long? Certificate
    {
        get
        {
            lock (_lock)
            {
                return _ownership.Certificate(Now);
            }
        }
    }

    /// <summary>The members with their last report, those without one too.</summary>
    public IReadOnlyList<(NodeId Node, NodeReport? Report)> Nodes
    {
        get
        {
            lock (_lock)
            {
                return [.. _watermark.Nodes.Select(node => (node.Key, node.Value)).OrderBy(node => node.Key.Address, StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>When the last report of each node was sent, by that node's clock.</summary>
    public IReadOnlyList<(NodeId Node, long SentAt)> Heard
    {
        get
        {
            lock (_lock)
            {
                return [.. _heard.Select(heard => (heard.Key, heard.Value))];
            }
        }
    }

    /// <summary>Monotonic microseconds; they go on while the process is frozen.</summary>
    public long Now => (long)time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>How far the orders have been read by all nodes.</summary>
    public WatermarkReading Watermark()
    {
        lock (_lock)
        {
            return _watermark.Read(Now);
        }
    }

    /// <summary>The members of the cluster.</summary>
    /// <param name="nodes">All of them, also those that are joining or leaving.</param>
    /// <param name="voters">Those that count for the majority.</param>
    /// <param name="unreachable">Those that do not answer.</param>
    /// <param name="longestLease">How long the messages of a node that is gone may stay leased.</param>
    public void Members(
        IReadOnlyCollection<NodeId> nodes, IReadOnlyCollection<NodeId> voters, IReadOnlySet<NodeId> unreachable, TimeSpan longestLease)
    {
        lock (_lock)
        {
            foreach (var gone in _watermark.Nodes.Keys.Except(nodes).ToList())
            {
                _watermark.Removed(gone, (long)longestLease.TotalMicroseconds, Now);
                _heard.Remove(gone);
            }

            foreach (var node in nodes)
            {
                _watermark.Joined(node);
                _watermark.Reachable(node, !unreachable.Contains(node));
            }

            _ownership.Members(voters);
        }
    }

    /// <summary>A node has reported; this node reports to itself as well.</summary>
    public void Reported(NodeReport report)
    {
        lock (_lock)
        {
            if (!_watermark.Reported(report))
            {
                return;
            }

            _heard[report.Node] = report.SentAt;
            foreach (var (node, sentAt) in report.Heard)
            {
                if (node == Self)
                {
                    _ownership.Confirmed(report.Node, sentAt);
                }
            }
        }
    }
}
