using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

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

            CheckSchema(settings.Schema);

            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var entry = new BrokerMetadata.TopicEntry(FreeId(id => [_folder.TopicFolder(id)]), name, false) { Settings = settings };
            var topic = OpenTopic(entry);
            try
            {
                _metadata.Append(new MetadataChange { NextId = entry.Id + 1, Topic = entry });
            }
            catch
            {
                topic.Dispose();
                throw;
            }

            _topicsById[entry.Id] = topic;
            _topics[name] = topic;
            return topic;
        }
    }

    public BrokerTopic UpdateTopic(string name, Func<TopicSettings, TopicSettings> change)
    {
        lock (_lock)
        {
            var topic = Topic(name);
            var settings = change(topic.Settings);
            if (settings.Schema != topic.Settings.Schema && settings.Schema?.Name != ResourceNames.DeletedSchema)
            {
                CheckSchema(settings.Schema);
            }

            _metadata.Append(new MetadataChange { Topic = _metadata.Topics[topic.Id] with { Settings = settings } });
            topic.Settings = settings;
            return topic;
        }
    }

    public void DeleteTopic(string name)
    {
        lock (_lock)
        {
            var topic = Topic(name);
            if (IsUsed(topic))
            {
                _metadata.Append(new MetadataChange { Topic = _metadata.Topics[topic.Id] with { Deleted = true } });
                topic.IsDeleted = true;
                _topics.TryRemove(name, out _);
            }
            else
            {
                _metadata.Append(new MetadataChange { RemovedTopic = topic.Id });
                topic.IsDeleted = true;
                _topics.TryRemove(name, out _);
                Discard(topic);
            }
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
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var id = FreeId(number => AckLog.FilesOf(_folder.AckPath(number)));
            var subscription = topic.Add(() =>
            {
                var end = topic.Log.EndOffset;
                var entry = new BrokerMetadata.SubscriptionEntry(id, name, topic.Id, settings.AckDeadlineSeconds)
                {
                    Settings = settings,
                    RetainedFrom = end,
                    Start = end,
                };
                _metadata.Append(new MetadataChange { NextId = id + 1, Subscription = entry });
                return new BrokerSubscription(entry, topic, AckLog.New(_folder.AckPath(id), new AckState(end), _options.Files), Time, NameOfSubscription);
            });

            _subscriptions[name] = subscription;
            SubscriptionsChanged?.Invoke();
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
            var retainedFrom = settings.RetainAckedMessages && !before.RetainAckedMessages ? subscription.Position.Cursor : subscription.RetainedFrom;
            _metadata.Append(new MetadataChange
            {
                Subscription = _metadata.Subscriptions[subscription.Id] with
                {
                    Settings = settings,
                    AckDeadlineSeconds = settings.AckDeadlineSeconds,
                    RetainedFrom = retainedFrom,
                },
            });
            subscription.Update(settings, retainedFrom);
            SubscriptionsChanged?.Invoke();
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
                subscription.Position.DropBefore(subscription.Topic.Log.EndOffset);
            }
            catch (IOException error)
            {
                _logger.LogWarning("The backlog of the detached subscription {Subscription} is kept until there is room on the disk: {Reason}", name, error.Message);
            }
        }
    }

    public void DeleteSubscription(string name)
    {
        lock (_lock)
        {
            var subscription = Subscription(name);
            _metadata.Append(new MetadataChange { RemovedSubscription = subscription.Id });
            _subscriptions.TryRemove(name, out _);
            subscription.Topic.Remove(subscription);
            subscription.Dispose();
            DeleteLater(AckLog.FilesOf(_folder.AckPath(subscription.Id)));
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

    private bool IsUsed(BrokerTopic topic) => topic.Subscriptions.Count > 0 || _snapshots.Values.Any(snapshot => snapshot.Topic == topic);

    private void DropIfUnused(BrokerTopic topic)
    {
        if (!topic.IsDeleted || IsUsed(topic))
        {
            return;
        }

        try
        {
            _metadata.Append(new MetadataChange { RemovedTopic = topic.Id });
            Discard(topic);
        }
        catch (IOException error)
        {
            _logger.LogWarning("The files of the deleted topic {Topic} could not be removed: {Reason}", topic.Name, error.Message);
        }
    }

    private void Discard(BrokerTopic topic)
    {
        _topicsById.TryRemove(topic.Id, out _);
        topic.Dispose();
        DeleteLater([_folder.TopicFolder(topic.Id)]);
    }
}
