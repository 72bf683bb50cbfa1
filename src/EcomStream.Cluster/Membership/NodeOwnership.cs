namespace EcomStream.Cluster;

/// <summary>Whether a node owns the shards that run on it.</summary>
internal interface INodeOwnership
{
    /// <summary>
    /// A number that stays the same while the node has owned its shards without a doubt; null while there is a doubt. A node
    /// that was frozen or cut off in between has another number, or none.
    /// </summary>
    long? Certificate { get; }
}

/// <summary>
/// A node owns its shards as long as the majority of the cluster has heard from it so lately that it cannot have moved them
/// yet. The majority needs the time of the failure detector and <c>stable-after</c> to do so; a confirmation is valid for
/// <c>stable-after</c> from the moment at which what it confirms was sent. Pure: all times are passed in. Not thread-safe.
/// </summary>
/// <param name="self">This node.</param>
/// <param name="validity">How long a confirmation is valid.</param>
internal sealed class OwnershipRules(NodeId self, TimeSpan validity)
{
    private readonly long _validity = (long)validity.TotalMicroseconds;
    private readonly Dictionary<NodeId, long> _confirmedAt = [];
    private HashSet<NodeId> _members = [];
    private long _epoch;
    private long _certainUntil = long.MinValue;

    /// <summary>The members of the cluster that count for its majority, reachable or not.</summary>
    public void Members(IReadOnlyCollection<NodeId> members)
    {
        _members = [.. members];
        foreach (var gone in _confirmedAt.Keys.Except(_members).ToList())
        {
            _confirmedAt.Remove(gone);
        }
    }

    /// <summary>A node has confirmed that it has received what this node sent at a time.</summary>
    public void Confirmed(NodeId by, long sentAt)
    {
        _confirmedAt[by] = Math.Max(sentAt, _confirmedAt.GetValueOrDefault(by, long.MinValue));
        Extend(CertainUntil(sentAt));
    }

    /// <summary>The certificate at a time; see <see cref="INodeOwnership.Certificate"/>.</summary>
    public long? Certificate(long at)
    {
        var until = CertainUntil(at);
        if (until < at)
        {
            return null;
        }

        Extend(until);
        return _epoch;
    }

    // A time of certainty begins when what the majority has confirmed was sent.
    private void Extend(long until)
    {
        if (until == long.MinValue)
        {
            return;
        }

        if (until - _validity > _certainUntil)
        {
            _epoch++;
        }

        _certainUntil = until;
    }

    // The time until which a majority, this node included, has confirmed.
    private long CertainUntil(long at)
    {
        if (!_members.Contains(self))
        {
            return long.MinValue;
        }

        if (_members.Count == 1)
        {
            return at + _validity;
        }

        var confirmations = _members
            .Where(member => member != self)
            .Select(member => _confirmedAt.TryGetValue(member, out var sentAt) ? sentAt + _validity : long.MinValue)
            .OrderDescending()
            .ToList();

        // With this node, more than half of the members.
        return confirmations[(_members.Count / 2) - 1];
    }
}

/// <summary>What identifies one life of a node.</summary>
/// <param name="Address">Its address.</param>
/// <param name="Uid">The number that Akka.Cluster gives to each of its lives.</param>
internal readonly record struct NodeId(string Address, int Uid)
{
    /// <inheritdoc/>
    public override string ToString() => Address;
}
