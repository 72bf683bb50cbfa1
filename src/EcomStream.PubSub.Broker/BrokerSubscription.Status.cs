using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker;

/// <summary>What the subscription reports about its backlog and its leases.</summary>
internal sealed partial class BrokerSubscription
{
    // Messages before this offset were matched against the filter, or are delivered or acked already.
    private long _matchedTo;

    /// <summary>What is not acked, and what is leased, at one instant.</summary>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public SubscriptionBacklog GetStatus()
    {
        var ahead = _filter is null ? null : new LogReader(Topic.Log);
        while (true)
        {
            lock (_lock)
            {
                // Acks wait for the lock, so none of a message published after this instant is counted.
                var (end, now) = Topic.Log.Observe();
                if (ahead is null || _closed || TryFilterUpTo(end, ahead))
                {
                    return GetStatus(end, now);
                }
            }
        }
    }

    private SubscriptionBacklog GetStatus(long end, long now)
    {
        // Acks of rejected messages that a full disk refuses are still in the list.
        var rejected = _unmatched.Where(offset => !_acks.State.IsAcked(offset)).ToHashSet();
        var oldest = _acks.State.Cursor;
        while (oldest < end && (_acks.State.IsAcked(oldest) || rejected.Contains(oldest)))
        {
            oldest++;
        }

        var latest = 0L;
        foreach (var lease in _leases.Values)
        {
            latest = Math.Max(latest, lease.Deadline);
        }

        return new SubscriptionBacklog(
            end - _acks.State.Cursor - _acks.State.AckedAbove - rejected.Count,
            oldest < end ? PublishMicros(oldest) : 0,
            _leases.Count,
            _leases.Count == 0 ? 0 : now + ((latest - _time.GetTimestamp()) * 1_000_000 / _time.TimestampFrequency),
            now)
        {
            Readers = Readers(),
            ReaderRequests = _consumers.Sum(consumer => consumer.Requests),
        };
    }

    /// <summary>A client that reads the subscription has called the broker, and therefore runs.</summary>
    public void ReaderCalled(string clientId)
    {
        if (clientId.Length > 0)
        {
            _consumers.FirstOrDefault(consumer => consumer.ClientId == clientId)?.CountRequest();
        }
    }

    private int Readers()
    {
        var streams = _consumers.Where(consumer => consumer.ClientId is not null).ToList();
        return streams.Where(stream => stream.ClientId!.Length > 0).DistinctBy(stream => stream.ClientId).Count()
            + streams.Count(stream => stream.ClientId!.Length == 0);
    }

    private long PublishMicros(long offset) =>
        _leases.TryGetValue(offset, out var lease) ? lease.PublishMicros : Topic.Log.PublishMicros(offset) ?? 0;

    // Acks what the filter rejects of the messages that nobody has pulled yet, a limited number while the lock is held.
    private bool TryFilterUpTo(long end, LogReader reader)
    {
        var offset = Math.Max(_matchedTo, _next);
        for (var passed = 0; offset < end && passed < MaxPassedOver; offset++, passed++)
        {
            if (!_acks.State.IsAcked(offset) && reader.TryRead(offset, out var message, out _)
                && !_filter!.Matches(PubsubMessage.Parser.ParseFrom(message).Attributes))
            {
                _unmatched.Add(offset);
            }
        }

        _matchedTo = offset;
        AckUnmatched();
        return offset >= end;
    }
}
