using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>
/// What a subscription has acked, as a whole: moved by a seek and by retention, and copied for a snapshot. Thread-safe.
/// </summary>
/// <param name="log">The log of the topic.</param>
/// <param name="state">Where the messages of the subscription are.</param>
/// <param name="source">What reads them.</param>
/// <param name="settlement">What writes acks.</param>
/// <param name="consumers">Woken when something can be delivered.</param>
/// <param name="guard">Guards the others.</param>
internal sealed class SubscriptionPosition(
    TopicLog log, DeliveryState state, MessageSource source, Settlement settlement, ConsumerGroup consumers, Lock guard)
{
    /// <summary>The first message that is not acked.</summary>
    public long Cursor
    {
        get
        {
            lock (guard)
            {
                return state.Acks.State.Cursor;
            }
        }
    }

    /// <summary>
    /// Replaces what is acked, as a seek asks. Messages that were unacked and stay so keep their leases, without order.
    /// </summary>
    /// <exception cref="IOException">The disk is full or broken; nothing has changed.</exception>
    public void Seek(Func<AckState, AckState> to)
    {
        lock (guard)
        {
            if (state.IsClosed)
            {
                return;
            }

            state.Acks.Reset(to(state.Acks.State).Within(log.StartOffset, log.EndOffset));
            consumers.Used();
            state.Rescan(keepLeases: state.Keys is null);
            source.BeginAgain();
            consumers.Wake();
        }
    }

    /// <summary>A copy of what is acked, for a snapshot.</summary>
    public AckState Copy()
    {
        lock (guard)
        {
            if (!state.IsClosed)
            {
                state.Rejected.Ack();
            }

            return state.Acks.State.Within(log.StartOffset, log.EndOffset);
        }
    }

    /// <summary>Gives up what was published before an offset, because its retention has passed.</summary>
    public void DropBefore(long offset)
    {
        lock (guard)
        {
            if (state.IsClosed || offset <= state.Acks.State.Cursor)
            {
                return;
            }

            state.Acks.Reset(state.Acks.State.Within(offset, log.EndOffset));
            state.RemoveAcked();
            var acked = new List<long>();
            state.Keys?.DropBefore(offset, acked);
            settlement.WriteFresh(acked);
            consumers.Wake();
        }
    }
}
