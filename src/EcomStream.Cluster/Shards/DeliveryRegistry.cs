using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>
/// The deliveries that a node has sent to one shard and that are not settled: only their ids travel. Pure bookkeeping.
/// </summary>
/// <typeparam name="TIncarnation">What identifies one life of the shard, compared by <see cref="object.Equals(object)"/>.</typeparam>
internal sealed class DeliveryRegistry<TIncarnation>
    where TIncarnation : class
{
    private readonly Dictionary<long, Batch> _batches = [];
    private long _lastBatch;

    /// <summary>Deliveries that are not settled.</summary>
    public int Open { get; private set; }

    /// <summary>Registers a batch.</summary>
    /// <param name="deliveries">At most <see cref="DeliveryId.MaxBatch"/> deliveries.</param>
    /// <param name="at">When it was sent.</param>
    /// <returns>Its number.</returns>
    public long Add(Delivery[] deliveries, long at)
    {
        _batches.Add(++_lastBatch, new Batch(deliveries, at));
        Open += deliveries.Length;
        return _lastBatch;
    }

    /// <summary>A life of the shard has accepted a batch.</summary>
    public void Accepted(long number, TIncarnation by)
    {
        if (_batches.TryGetValue(number, out var batch))
        {
            batch.AcceptedBy = by;
        }
    }

    /// <summary>Takes a settled delivery out; null when it is not registered any more.</summary>
    public Delivery? Take(long id)
    {
        var (number, index) = DeliveryId.Parse(id);
        if (!_batches.TryGetValue(number, out var batch) || index >= batch.Deliveries.Length || batch.Deliveries[index] is not { } delivery)
        {
            return null;
        }

        batch.Deliveries[index] = null;
        Open--;
        if (--batch.Open == 0)
        {
            _batches.Remove(number);
        }

        return delivery;
    }

    /// <summary>Takes the unsettled deliveries of a batch out.</summary>
    public IReadOnlyList<Delivery> TakeBatch(long number) => Take(_batches.ContainsKey(number) ? [number] : []);

    /// <summary>Takes out what a life of the shard had accepted that has ended.</summary>
    public IReadOnlyList<Delivery> TakeLost(TIncarnation lost) =>
        Take([.. _batches.Where(batch => lost.Equals(batch.Value.AcceptedBy)).Select(batch => batch.Key)]);

    /// <summary>Takes out what was sent until a time and that no life of the shard has accepted.</summary>
    public IReadOnlyList<Delivery> TakeNotAccepted(long sentUntil) =>
        Take([.. _batches.Where(batch => batch.Value.AcceptedBy is null && batch.Value.SentAt <= sentUntil).Select(batch => batch.Key)]);

    private List<Delivery> Take(IReadOnlyList<long> numbers)
    {
        var taken = new List<Delivery>();
        foreach (var number in numbers)
        {
            _batches.Remove(number, out var batch);
            foreach (var delivery in batch!.Deliveries)
            {
                if (delivery is not null)
                {
                    taken.Add(delivery);
                }
            }
        }

        Open -= taken.Count;
        return taken;
    }

    private sealed class Batch(Delivery?[] deliveries, long sentAt)
    {
        public Delivery?[] Deliveries { get; } = deliveries;

        public long SentAt { get; } = sentAt;

        public int Open { get; set; } = deliveries.Length;

        public TIncarnation? AcceptedBy { get; set; }
    }
}
