using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// What a client with callbacks has received and not settled: its status, its oldest message, and when its settlements
/// have been sent. Such a client reports none of these itself. Thread-safe.
/// </summary>
internal sealed class OutstandingLedger
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, OutstandingEntry> _entries = [];

    // Rounds that a flush has closed and that are not done.
    private readonly List<SettlementRound> _closed = [];
    private SettlementRound _current = new();
    private long _bytes;

    /// <summary>Messages and bytes received and not settled.</summary>
    public (int Messages, long Bytes) Outstanding
    {
        get
        {
            lock (_lock)
            {
                return (_entries.Count, _bytes);
            }
        }
    }

    /// <summary>Adds a message that was received.</summary>
    /// <returns>False for a delivery that is known already.</returns>
    public bool Add(OutstandingEntry entry)
    {
        lock (_lock)
        {
            var isNew = _entries.TryAdd(entry.AckId, entry);
            _bytes += isNew ? entry.Bytes : 0;
            return isNew;
        }
    }

    /// <summary>Its settlement was asked for.</summary>
    public void Asked(OutstandingEntry entry)
    {
        lock (_lock)
        {
            if (entry.Round is null && _entries.ContainsKey(entry.AckId))
            {
                entry.Round = _current;
                _current.Pending++;
            }
        }
    }

    /// <summary>The client has sent the settlement of a delivery, or given it up. Unknown ids are ignored.</summary>
    /// <returns>What was known of it; null for an unknown id.</returns>
    public OutstandingEntry? Settled(string ackId)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(ackId, out var entry))
            {
                Remove(entry);
            }

            return entry;
        }
    }

    /// <summary>What received some of the messages has ended: nothing is known of them any more.</summary>
    /// <returns>How many were removed.</returns>
    public int RemoveAllOf(object owner)
    {
        lock (_lock)
        {
            var removed = _entries.Values.Where(entry => ReferenceEquals(entry.Owner, owner)).ToList();
            removed.ForEach(Remove);
            return removed.Count;
        }
    }

    /// <summary>The message with the oldest publish time; null without any.</summary>
    public OutstandingMessage? Oldest()
    {
        lock (_lock)
        {
            OutstandingEntry? oldest = null;
            foreach (var entry in _entries.Values)
            {
                if (oldest is null || entry.PublishTimeMicros < oldest.PublishTimeMicros)
                {
                    oldest = entry;
                }
            }

            return oldest is null ? null : new OutstandingMessage(oldest.MessageId, oldest.PublishTimeMicros);
        }
    }

    /// <summary>The messages whose settlement was not asked for.</summary>
    public IReadOnlyList<OutstandingEntry> Open()
    {
        lock (_lock)
        {
            return [.. _entries.Values.Where(entry => entry.Round is null)];
        }
    }

    /// <summary>Completes when every settlement that was asked for before the call has been sent or given up.</summary>
    public Task FlushAsync(CancellationToken cancellationToken)
    {
        Task[] done;
        lock (_lock)
        {
            if (_current.Pending > 0)
            {
                _closed.Add(_current);
                _current = new SettlementRound();
            }

            done = [.. _closed.Select(round => round.Done.Task)];
        }

        return Task.WhenAll(done).WaitAsync(cancellationToken);
    }

    private void Remove(OutstandingEntry entry)
    {
        _entries.Remove(entry.AckId);
        _bytes -= entry.Bytes;
        if (entry.Round is { } round && --round.Pending == 0 && _closed.Remove(round))
        {
            round.Done.SetResult();
        }
    }
}
