using EcomStream.PubSub.Broker.Storage;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker;

/// <summary>Making, changing and deleting topics and subscriptions.</summary>
internal sealed partial class BrokerState
{
    public BrokerTopic CreateTopic(string name, TopicSettings settings)
    {
        lock (_lock)
        {
            if (_topics.ContainsKey(name))
            {
                throw AlreadyExists("topic", name);
            }

            var entry = new BrokerMetadata.TopicEntry(_metadata.NextId, name, false) { Settings = settings };
            var topic = OpenTopic(entry);
            try
            {
                Save(_metadata with { NextId = entry.Id + 1, Topics = [.. _metadata.Topics, entry] });
            }
            catch
            {
                topic.Dispose();
                Directory.Delete(_folder.TopicFolder(entry.Id), recursive: true);
                throw;
            }

            _topicsById.Add(entry.Id, topic);
            _topics = With(_topics, name, topic);
            return topic;
        }
    }

    public BrokerTopic UpdateTopic(string name, Func<TopicSettings, TopicSettings> change)
    {
        lock (_lock)
        {
            var topic = Topic(name);
            var settings = change(topic.Settings);
            Save(_metadata with { Topics = [.. _metadata.Topics.Select(entry => entry.Id == topic.Id ? entry with { Settings = settings } : entry)] });
            topic.Settings = settings;
            return topic;
        }
    }

    public void DeleteTopic(string name)
    {
        lock (_lock)
        {
            var topic = Topic(name);
            Save(_metadata with { Topics = [.. _metadata.Topics.Select(entry => entry.Id == topic.Id ? entry with { Deleted = true } : entry)] });
            topic.IsDeleted = true;
            _topics = Without(_topics, name);
            DropIfUnused(topic);
        }
    }

    public BrokerSubscription CreateSubscription(string name, string topicName, SubscriptionSettings settings)
    {
        lock (_lock)
        {
            if (_subscriptions.ContainsKey(name))
            {
                throw AlreadyExists("subscription", name);
            }

            var topic = Topic(topicName);
            CheckDeadLetterTopic(settings);
            var id = _metadata.NextId;
            AckLog? acks = null;
            BrokerSubscription subscription;
            try
            {
                subscription = topic.Add(() =>
                {
                    var end = topic.Log.EndOffset;
                    var entry = new BrokerMetadata.SubscriptionEntry(id, name, topic.Id, settings.AckDeadlineSeconds) { Settings = settings, RetainedFrom = end };
                    acks = AckLog.Create(_folder.AckPath(id), new AckState(end), _options.Files);
                    Save(_metadata with { NextId = id + 1, Subscriptions = [.. _metadata.Subscriptions, entry] });
                    return new BrokerSubscription(entry, topic, acks, Time);
                });
            }
            catch
            {
                acks?.Delete();
                throw;
            }

            _subscriptions = With(_subscriptions, name, subscription);
            return subscription;
        }
    }

    public BrokerSubscription UpdateSubscription(string name, Func<SubscriptionSettings, SubscriptionSettings> change)
    {
        lock (_lock)
        {
            var subscription = Subscription(name);
            var before = subscription.Settings;
            var settings = change(before);
            if (settings.DeadLetter != before.DeadLetter)
            {
                CheckDeadLetterTopic(settings);
            }

            // Acks are retained from when that was asked for.
            var retainedFrom = settings.RetainAckedMessages && !before.RetainAckedMessages ? subscription.Cursor : subscription.RetainedFrom;
            Save(_metadata with
            {
                Subscriptions =
                [
                    .. _metadata.Subscriptions.Select(entry => entry.Id == subscription.Id
                        ? entry with { Settings = settings, AckDeadlineSeconds = settings.AckDeadlineSeconds, RetainedFrom = retainedFrom }
                        : entry),
                ],
            });
            subscription.Update(settings, retainedFrom);
            return subscription;
        }
    }

    /// <summary>Ends its connection with its topic for good: it gets and keeps no more messages.</summary>
    public void DetachSubscription(string name)
    {
        lock (_lock)
        {
            var subscription = UpdateSubscription(name, settings => settings with { Detached = true });
            try
            {
                subscription.DropBefore(subscription.Topic.Log.EndOffset);
            }
            catch (IOException error)
            {
                _logger.LogWarning("The backlog of {Subscription}, which is detached, stays until there is room: {Reason}", name, error.Message);
            }
        }
    }

    public void DeleteSubscription(string name)
    {
        lock (_lock)
        {
            var subscription = Subscription(name);
            Save(_metadata with { Subscriptions = [.. _metadata.Subscriptions.Where(entry => entry.Id != subscription.Id)] });
            _subscriptions = Without(_subscriptions, name);
            subscription.Topic.Remove(subscription);
            subscription.Delete();
            DropIfUnused(subscription.Topic);
        }
    }

    // "The operation will fail if the topic does not exist":
    // https://cloud.google.com/pubsub/docs/reference/rpc/google.pubsub.v1#deadletterpolicy
    private void CheckDeadLetterTopic(SubscriptionSettings settings)
    {
        if (settings.DeadLetter is { } deadLetter)
        {
            Topic(deadLetter.Topic);
        }
    }

    private void DropIfUnused(BrokerTopic topic)
    {
        if (!topic.IsDeleted || topic.Subscriptions.Count > 0 || _snapshots.Values.Any(snapshot => snapshot.Topic == topic))
        {
            return;
        }

        try
        {
            Save(_metadata with { Topics = [.. _metadata.Topics.Where(entry => entry.Id != topic.Id)] });
            _topicsById.Remove(topic.Id);
            topic.Dispose();
            Directory.Delete(_folder.TopicFolder(topic.Id), recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _logger.LogWarning("The files of {Topic}, which is deleted, are still there: {Reason}", topic.Name, error.Message);
        }
    }
}
