using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.State;

/// <summary>Snapshots and seek: https://cloud.google.com/pubsub/docs/replay-overview.</summary>
internal sealed partial class BrokerState
{
    private static readonly TimeSpan SnapshotLife = TimeSpan.FromDays(7);
    private static readonly TimeSpan ShortestSnapshotLife = TimeSpan.FromHours(1);

    public BrokerSnapshot CreateSnapshot(string name, string subscriptionName, IReadOnlyDictionary<string, string> labels)
    {
        lock (_lock)
        {
            if (_snapshots.ContainsKey(name))
            {
                throw AlreadyExists("snapshot", name);
            }

            ObjectDisposedException.ThrowIf(_isDisposed, this);

            var subscription = Subscription(subscriptionName);
            return subscription.Topic.WithoutReclaiming(() =>
            {
                var acks = subscription.Position.Copy();
                var entry = new BrokerMetadata.SnapshotEntry(
                    _metadata.NextId, name, subscription.Topic.Id, acks.Cursor, Expiry(name, subscription, acks.Cursor), labels);
                AckLog.WriteCopy(_folder.SnapshotPath(entry.Id), acks, _options.Files);
                try
                {
                    _metadata.Append(new MetadataChange { NextId = entry.Id + 1, Snapshot = entry });
                }
                catch
                {
                    DeleteFiles([_folder.SnapshotPath(entry.Id)]);
                    throw;
                }

                var snapshot = new BrokerSnapshot(entry, subscription.Topic);
                _snapshots[name] = snapshot;
                return snapshot;
            });
        }
    }

    public BrokerSnapshot UpdateSnapshot(string name, Func<BrokerMetadata.SnapshotEntry, BrokerMetadata.SnapshotEntry> change)
    {
        lock (_lock)
        {
            var before = Snapshot(name);
            var snapshot = before with { Entry = change(before.Entry) };
            _metadata.Append(new MetadataChange { Snapshot = snapshot.Entry });
            _snapshots[name] = snapshot;
            return snapshot;
        }
    }

    public void DeleteSnapshot(string name)
    {
        lock (_lock)
        {
            var snapshot = Snapshot(name);
            _metadata.Append(new MetadataChange { RemovedSnapshot = snapshot.Entry.Id });
            _snapshots.TryRemove(name, out _);
            DeleteLater(AckLog.FilesOf(_folder.SnapshotPath(snapshot.Entry.Id)));
            DropIfUnused(snapshot.Topic);
        }
    }

    /// <summary>Marks what was published before a time acked and what was published since then unacked, as far as it is retained.</summary>
    public void Seek(string subscriptionName, DateTimeOffset time) => Seek(subscriptionName, subscription =>
    {
        var target = subscription.Topic.Log.OffsetAt(time);
        var replayable = subscription.Topic.ReplayableFrom(subscription, Time.GetUtcNow());
        return acks => acks.Seek(target, replayable);
    });

    /// <summary>Takes the acks of a snapshot.</summary>
    public void Seek(string subscriptionName, string snapshotName) => Seek(subscriptionName, subscription =>
    {
        var snapshot = Snapshot(snapshotName);
        if (snapshot.Topic != subscription.Topic)
        {
            throw new RpcException(new Status(
                StatusCode.InvalidArgument, $"The snapshot {snapshotName} is of another topic than {subscriptionName}."));
        }

        using var file = AckLog.Open(_folder.SnapshotPath(snapshot.Entry.Id), _options.Files);
        return _ => file.State;
    });

    private void Seek(string subscriptionName, Func<BrokerSubscription, Func<AckState, AckState>> to)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            var subscription = Subscription(subscriptionName);
            subscription.Topic.WithoutReclaiming(() =>
            {
                subscription.Position.Seek(to(subscription));
                return subscription;
            });
        }
    }

    // It lives for 7 days less the age of the oldest message that it holds.
    private DateTimeOffset Expiry(string name, BrokerSubscription subscription, long cursor)
    {
        var now = Time.GetUtcNow();
        var oldest = subscription.Topic.Log.PublishTime(cursor) ?? now;
        var expires = (oldest < now ? oldest : now) + SnapshotLife;
        return expires - now >= ShortestSnapshotLife
            ? expires
            : throw new RpcException(new Status(
                StatusCode.FailedPrecondition,
                $"The snapshot {name} would expire at {expires:u}, in less than an hour: {subscription.Name} holds unacked messages since {oldest:u}."));
    }
}
