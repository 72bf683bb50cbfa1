using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Storage;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>What the ack ids that clients send to a subscription stand for.</summary>
/// <param name="id">The id of the subscription.</param>
/// <param name="name">Its name.</param>
/// <param name="log">The log of its topic.</param>
/// <param name="state">Where its messages are.</param>
/// <param name="guard">Guards the state.</param>
/// <param name="nameOf">The name of the subscription with an id; null when there is none.</param>
internal sealed class AckIdReader(int id, string name, TopicLog log, DeliveryState state, Lock guard, Func<int, string?> nameOf)
{
    /// <param name="texts">What a client sent.</param>
    /// <param name="outcome">Null where ids that are malformed or of other subscriptions are errors.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one is malformed or of another subscription.</exception>
    public AckId[] Parse(IReadOnlyList<string> texts, AckOutcome? outcome)
    {
        var ids = AckId.ParseAll(texts, outcome is null);
        if (outcome is null)
        {
            foreach (var parsed in ids)
            {
                // As the service answers. Those of a subscription that is deleted are ignored, as late ones are.
                if (parsed.Subscription != id && nameOf(parsed.Subscription) is { } owner)
                {
                    throw new RpcException(new Status(
                        StatusCode.InvalidArgument, $"You have passed a subscription that does not belong to the given ack ID: the ack id is of {owner}, not of {name}."));
                }
            }
        }

        return ids;
    }

    /// <summary>
    /// Whether each id is of the message that has its offset now, and not of one that a power cut took. What is not leased is
    /// looked up in the log, not under the lock: late and invented ids must not hold up deliveries.
    /// </summary>
    public bool[] AreOfMessages(AckId[] ids)
    {
        var result = new bool[ids.Length];
        var unleased = new List<int>();
        lock (guard)
        {
            for (var i = 0; i < ids.Length; i++)
            {
                if (ids[i].Subscription != id || state.Acks.State.IsAcked(ids[i].Offset))
                {
                    continue;
                }

                if (state.Leases.TryGet(ids[i].Offset, out var lease))
                {
                    result[i] = lease.PublishMicros == ids[i].PublishMicros;
                }
                else
                {
                    unleased.Add(i);
                }
            }
        }

        foreach (var i in unleased)
        {
            result[i] = log.IsPublishedAt(ids[i].Offset, ids[i].PublishMicros);
        }

        return result;
    }

    /// <summary>Whether this very delivery holds the lease. For a caller that holds the lock.</summary>
    /// <param name="ackId">The delivery.</param>
    /// <param name="inTime">Whether its deadline must not have passed.</param>
    public bool IsCurrent(AckId ackId, bool inTime) =>
        ackId.Subscription == id && state.Leases.TryGet(ackId.Offset, out var lease)
        && lease.PublishMicros == ackId.PublishMicros && lease.Delivery == ackId.Delivery && (!inTime || state.Leases.IsInTime(lease));
}
