using System.Runtime.InteropServices;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Resources;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>Acks and returned deliveries of a subscription, which guards it.</summary>
/// <param name="state">Where its messages are.</param>
/// <param name="ackIds">What ack ids stand for.</param>
/// <param name="consumers">Woken when something can be delivered.</param>
/// <param name="time">The clock.</param>
internal sealed class Settlement(DeliveryState state, AckIdReader ackIds, ConsumerGroup consumers, TimeProvider time)
{
    /// <summary>Acks messages; the acks are with the operating system when it returns.</summary>
    /// <param name="settings">Those of the subscription.</param>
    /// <param name="texts">What the client sent.</param>
    /// <param name="ids">The same, parsed.</param>
    /// <param name="areOfMessages">Without an outcome: which of them are ids of messages that are in the log.</param>
    /// <param name="outcome">Takes what became of each; null without exactly-once delivery.</param>
    /// <exception cref="IOException">The disk is full or broken; nothing was acked.</exception>
    public void Acknowledge(SubscriptionSettings settings, IReadOnlyList<string> texts, AckId[] ids, bool[] areOfMessages, AckOutcome? outcome)
    {
        var offsets = new List<long>(ids.Length);
        var early = new List<long>();
        for (var i = 0; i < ids.Length; i++)
        {
            var id = ids[i];
            if (outcome is not null && !ackIds.IsCurrent(id, settings.EnableExactlyOnceDelivery))
            {
                outcome.Invalid.Add(texts[i]);
            }
            else if (outcome is not null && state.Keys?.IsEarly(id.Offset) == true)
            {
                outcome.Unordered.Add(texts[i]);
            }
            else if ((outcome is not null || areOfMessages[i]) && !state.Acks.State.IsAcked(id.Offset))
            {
                // Without exactly-once delivery an ack that comes after its deadline counts all the same.
                Ack(id.Offset, offsets, early);
                outcome?.Done.Add(texts[i]);
            }
        }

        Write(offsets, early);
    }

    /// <summary>Moves the deadlines of leases to so many seconds from now; 0 gives the messages back at once.</summary>
    /// <param name="settings">Those of the subscription.</param>
    /// <param name="texts">What the client sent.</param>
    /// <param name="ids">The same, parsed.</param>
    /// <param name="secondsOf">The seconds of each.</param>
    /// <param name="outcome">Takes what became of each; null without exactly-once delivery.</param>
    public void ModifyAckDeadline(SubscriptionSettings settings, IReadOnlyList<string> texts, AckId[] ids, Func<int, int> secondsOf, AckOutcome? outcome)
    {
        List<long>? returned = null;
        for (var i = 0; i < ids.Length; i++)
        {
            var id = ids[i];
            if (!ackIds.IsCurrent(id, settings.EnableExactlyOnceDelivery))
            {
                outcome?.Invalid.Add(texts[i]);
                continue;
            }

            outcome?.Done.Add(texts[i]);
            if (secondsOf(i) is > 0 and var seconds)
            {
                state.Leases.Extend(id.Offset, seconds);
            }
            else
            {
                state.Leases.Release(id.Offset);
                (returned ??= []).Add(id.Offset);
            }
        }

        if (returned is not null)
        {
            GiveBack(settings, returned);
        }
    }

    /// <summary>Writes acks of which some may have been written before.</summary>
    /// <exception cref="IOException">The disk is full or broken; nothing is acked.</exception>
    public void WriteFresh(List<long> offsets)
    {
        offsets.RemoveAll(state.Acks.State.IsAcked);
        Write(offsets, []);
    }

    /// <summary>Gives messages back that were nacked or not acked in time, each a failed delivery.</summary>
    /// <param name="settings">Those of the subscription.</param>
    /// <param name="offsets">Messages that are leased.</param>
    public void GiveBack(SubscriptionSettings settings, List<long> offsets)
    {
        if (settings.CountsFailures)
        {
            state.Acks.Fail(CollectionsMarshal.AsSpan(offsets));
        }

        foreach (var offset in offsets)
        {
            state.Leases.Release(offset);
            var due = settings.Retry?.Delay(state.Acks.Failures(offset)) is { Ticks: > 0 } delay
                ? time.GetTimestamp() + (long)(delay.TotalSeconds * time.TimestampFrequency)
                : 0;
            var isUndeliverable = settings.DeadLetter is { } deadLetter && state.Acks.Failures(offset) >= deadLetter.MaxDeliveryAttempts;
            if (state.Keys?.Contains(offset) == true)
            {
                var returned = state.Keys.Return(offset, due);
                state.Acks.ForgetEarly(returned);
                foreach (var other in returned)
                {
                    state.Leases.Release(other);
                }
            }
            else if (!isUndeliverable)
            {
                state.Redeliveries.Add(offset, due);
            }

            if (isUndeliverable)
            {
                state.SetAside(offset);
            }
        }

        consumers.Wake();
    }

    // An ack may wait for earlier ones of its ordering key.
    private void Ack(long offset, List<long> acked, List<long> early)
    {
        if (state.Keys is null)
        {
            acked.Add(offset);
            return;
        }

        state.Keys.Ack(offset, acked, early);
        state.Leases.Release(offset);
    }

    // Writes acks, in any order, with or without duplicates, and those that wait for earlier ones of their keys. The messages
    // are no longer on their way then.
    private void Write(List<long> offsets, List<long> early)
    {
        var sorted = CollectionsMarshal.AsSpan(offsets);
        sorted.Sort();
        sorted = sorted[..SortedOffsets.Distinct(sorted)];
        try
        {
            // One that was early may have had its turn in the same request.
            var acked = early.Count > 0 ? offsets.ToHashSet() : [];
            state.Acks.Ack(sorted, [.. early.Where(offset => !acked.Contains(offset))]);
        }
        catch (IOException) when (state.Keys is not null)
        {
            // The keys have moved on already: they begin again at what is not acked.
            state.Rescan(keepLeases: false);
            throw;
        }

        foreach (var offset in sorted)
        {
            state.Leases.Release(offset);
            state.Undeliverable.Remove(offset);
            state.Redeliveries.Remove(offset);
        }

        if (state.Rejected.Count > 0)
        {
            state.Rejected.RemoveAcked();
        }

        if (state.Keys is not null)
        {
            consumers.Wake();
        }
    }
}
