using EcomStream.Actors;

namespace EcomStream.Cluster;

/// <summary>
/// How far the orders have been read by all nodes together: the least of what they have reported. A node that has not
/// reported, and one that has died and whose messages may still be leased, hold it. A report stays true, so a node that does
/// not answer any more stops the watermark at its last report. Pure: all times are passed in. Not thread-safe.
/// </summary>
internal sealed class ClusterWatermark
{
    private readonly Dictionary<NodeId, NodeReport?> _nodes = [];
    private readonly HashSet<NodeId> _unreachable = [];
    private long _leasedUntil = long.MinValue;
    private (WatermarkHold Hold, string Node, long Since) _held = (WatermarkHold.Node, "", 0);

    /// <summary>The nodes, with their last report.</summary>
    public IReadOnlyDictionary<NodeId, NodeReport?> Nodes => _nodes;

    /// <summary>A node has joined the cluster, and will read the subscriptions.</summary>
    public void Joined(NodeId node) => _nodes.TryAdd(node, null);

    /// <summary>Whether a node answers.</summary>
    public void Reachable(NodeId node, bool isReachable)
    {
        if (isReachable)
        {
            _unreachable.Remove(node);
        }
        else
        {
            _unreachable.Add(node);
        }
    }

    /// <summary>A node has reported. Reports of nodes that are not members are ignored.</summary>
    /// <returns>Whether the node is a member.</returns>
    public bool Reported(NodeReport report)
    {
        if (!_nodes.TryGetValue(report.Node, out var last))
        {
            return false;
        }

        if (last is null || report.SentAt > last.SentAt)
        {
            _nodes[report.Node] = report;
        }

        return true;
    }

    /// <summary>A node has left the cluster or was removed from it.</summary>
    /// <param name="node">The node.</param>
    /// <param name="longestLeaseMicros">How long its messages may stay leased, where it has not said so itself.</param>
    /// <param name="at">The time, microseconds of this node's monotonic clock.</param>
    public void Removed(NodeId node, long longestLeaseMicros, long at)
    {
        _unreachable.Remove(node);
        if (_nodes.Remove(node, out var last))
        {
            var lease = Math.Max(last?.LongestLeaseMicros ?? 0, longestLeaseMicros);
            if (lease > 0)
            {
                _leasedUntil = Math.Max(_leasedUntil, at + lease);
            }
        }
    }

    /// <summary>The watermark at a time, microseconds of this node's monotonic clock.</summary>
    public WatermarkReading Read(long at)
    {
        var (micros, hold, node) = Evaluate(at);
        if (_held.Hold != hold || _held.Node != node)
        {
            _held = (hold, node, at);
        }

        return new WatermarkReading(micros, hold, TimeSpan.FromMicroseconds(Math.Max(0, at - _held.Since)));
    }

    private (long? Micros, WatermarkHold Hold, string Node) Evaluate(long at)
    {
        if (at < _leasedUntil)
        {
            return (null, WatermarkHold.Leases, "");
        }

        var (least, slowest) = (long.MaxValue, default(NodeId));
        foreach (var (node, report) in _nodes)
        {
            if (report?.WatermarkMicros is not { } micros)
            {
                return (null, WatermarkHold.Node, node.Address);
            }

            if (micros < least)
            {
                (least, slowest) = (micros, node);
            }
        }

        return _nodes.Count == 0 ? (null, WatermarkHold.Node, "")
            : _unreachable.Count > 0 ? (least, WatermarkHold.Node, slowest.Address)
            : (least, WatermarkHold.None, "");
    }
}
