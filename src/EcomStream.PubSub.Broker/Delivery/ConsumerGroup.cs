namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>Who pulls from a subscription, and when somebody last used it. Changed under its lock; read without one.</summary>
internal sealed class ConsumerGroup(TimeProvider time)
{
    private volatile PullConsumer[] _all = [];
    private long _lastUsed = time.GetTimestamp();

    public bool IsEmpty => _all.Length == 0;

    /// <summary>Clients that have streams open, told apart by their client id; each stream without one counts by itself.</summary>
    public int Readers
    {
        get
        {
            var streams = _all.Where(consumer => consumer.ClientId is not null).ToList();
            return streams.Where(stream => stream.ClientId!.Length > 0).DistinctBy(stream => stream.ClientId).Count()
                + streams.Count(stream => stream.ClientId!.Length == 0);
        }
    }

    /// <summary>Requests that the streams have sent so far.</summary>
    public long Requests => _all.Sum(consumer => consumer.Requests);

    /// <summary>How long nobody has used the subscription; zero while somebody pulls.</summary>
    public TimeSpan Idle => IsEmpty ? time.GetElapsedTime(Volatile.Read(ref _lastUsed)) : TimeSpan.Zero;

    /// <summary>Somebody uses the subscription.</summary>
    public void Used() => Volatile.Write(ref _lastUsed, time.GetTimestamp());

    public void Add(PullConsumer consumer) => _all = [.. _all, consumer];

    public void Remove(PullConsumer consumer)
    {
        Used();
        _all = [.. _all.Where(other => other != consumer)];
    }

    /// <summary>Tells all that there may be something to take.</summary>
    public void Wake()
    {
        foreach (var consumer in _all)
        {
            consumer.Signal.Set();
        }
    }

    /// <summary>A client has called the broker otherwise, and therefore runs: its stream counts a request.</summary>
    public void CountRequest(string clientId)
    {
        if (clientId.Length > 0)
        {
            _all.FirstOrDefault(consumer => consumer.ClientId == clientId)?.CountRequest();
        }
    }
}
