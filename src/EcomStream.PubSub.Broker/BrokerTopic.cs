using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker;

/// <summary>One topic: its log and the subscriptions that read it.</summary>
internal sealed class BrokerTopic(string name, TopicLog log) : IDisposable
{
    private readonly Lock _lock = new();
    private volatile BrokerSubscription[] _subscriptions = [];

    public string Name { get; } = name;

    public TopicLog Log { get; } = log;

    /// <summary>Deleted, and kept for the backlog of its subscriptions.</summary>
    public bool IsDeleted { get; set; }

    public IReadOnlyList<BrokerSubscription> Subscriptions => _subscriptions;

    /// <summary>Makes a subscription and adds it. Nothing that it is to get is deleted meanwhile.</summary>
    public BrokerSubscription Add(Func<BrokerSubscription> create)
    {
        lock (_lock)
        {
            var subscription = create();
            _subscriptions = [.. _subscriptions, subscription];
            return subscription;
        }
    }

    public void Remove(BrokerSubscription subscription)
    {
        lock (_lock)
        {
            _subscriptions = [.. _subscriptions.Where(s => s != subscription)];
        }
    }

    /// <summary>Appends messages and tells the subscriptions.</summary>
    public void Publish(IReadOnlyList<PubsubMessage> messages)
    {
        Log.Append(messages);
        foreach (var subscription in _subscriptions)
        {
            subscription.Notify();
        }
    }

    /// <summary>Deletes the full segments that every subscription has acked.</summary>
    public void Reclaim()
    {
        lock (_lock)
        {
            var subscriptions = _subscriptions;
            Log.DeleteBefore(subscriptions.Length == 0 ? Log.EndOffset : subscriptions.Min(s => s.Cursor));
        }
    }

    public void Dispose() => Log.Dispose();
}
