using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Topics;

/// <param name="Message">The message.</param>
/// <param name="IsLeased">Whether a reader has it.</param>
/// <param name="Failures">Its failed deliveries, as far as they are counted.</param>
internal readonly record struct BacklogMessage(PubsubMessage Message, bool IsLeased, int Failures);

/// <summary>What is not acked of a subscription, looked at without taking anything. Thread-safe.</summary>
/// <param name="log">The log of the topic.</param>
/// <param name="state">Where the messages of the subscription are.</param>
/// <param name="source">What rejects them by its filter.</param>
/// <param name="consumers">Who pulls.</param>
/// <param name="time">The clock.</param>
/// <param name="guard">Guards the others.</param>
internal sealed class BacklogView(
    TopicLog log, DeliveryState state, MessageSource source, ConsumerGroup consumers, TimeProvider time, Lock guard)
{
    private const int MaxPassedOver = 10_000;

    /// <summary>What is not acked, and what is leased, at one instant.</summary>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public SubscriptionBacklog GetStatus()
    {
        var ahead = new LogReader(log);
        while (true)
        {
            lock (guard)
            {
                // Acks wait for the lock, so none of a message published after this instant is counted.
                var (end, now) = log.Observe();
                if (source.TryFilterUpTo(end, ahead))
                {
                    ahead.Release();
                    return Status(end, now);
                }
            }
        }
    }

    /// <summary>The oldest messages that are not acked. Nothing is leased, counted or acked.</summary>
    /// <param name="max">The most messages.</param>
    /// <param name="maxBytes">The most bytes; one message may have more.</param>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public List<BacklogMessage> Peek(int max, int maxBytes)
    {
        var found = new List<BacklogMessage>();
        var reader = new LogReader(log);
        var passed = 0;
        using var entered = guard.EnterScope();
        for (var offset = state.Acks.State.Cursor; found.Count < max && maxBytes > 0 && passed < MaxPassedOver; offset++)
        {
            if (state.Acks.State.IsAcked(offset))
            {
                continue;
            }

            if (!reader.TryRead(offset, out var message, out _))
            {
                break;
            }

            if (!source.IsWanted(message))
            {
                passed++;
                continue;
            }

            maxBytes -= message.Length;
            found.Add(new BacklogMessage(PubsubMessage.Parser.ParseFrom(message), state.Leases.Contains(offset), state.Acks.Failures(offset)));
        }

        reader.Release();
        return found;
    }

    /// <summary>How many messages are in each state.</summary>
    /// <exception cref="InvalidOperationException">A message is in none, or in several.</exception>
    public IReadOnlyDictionary<MessageState, long> CountStates()
    {
        var counts = new Dictionary<MessageState, long>();
        var reader = new LogReader(log);
        using var entered = guard.EnterScope();
        for (var offset = state.Acks.State.Cursor; reader.TryRead(offset, out var message, out _); offset++)
        {
            var found = state.StateOf(offset, message.IsEmpty ? default : MessageFields.OrderingKey(message));
            counts[found] = counts.GetValueOrDefault(found) + 1;
        }

        reader.Release();
        var leased = counts.GetValueOrDefault(MessageState.Leased);
        return leased == state.Leases.Count
            ? counts
            : throw new InvalidOperationException($"{state.Leases.Count} messages are leased, {leased} of them are in the log and not acked.");
    }

    private SubscriptionBacklog Status(long end, long now)
    {
        // Acks of rejected messages that a full disk refuses are still to be written.
        var acks = state.Acks.State;
        var rejected = 0;
        var oldest = acks.Cursor;
        if (state.Rejected.Count > 0)
        {
            state.Rejected.RemoveAcked();
            rejected = state.Rejected.Count;
        }

        while (oldest < end && (acks.IsAcked(oldest) || (rejected > 0 && state.Rejected.Contains(oldest))))
        {
            oldest++;
        }

        var leased = state.Leases.Count;
        return new SubscriptionBacklog(
            end - acks.Cursor - acks.AckedAbove - rejected,
            oldest < end ? PublishMicros(oldest) : 0,
            leased,
            leased == 0 ? 0 : now + ((state.Leases.LatestDeadline - time.GetTimestamp()) * 1_000_000 / time.TimestampFrequency),
            now)
        {
            Readers = consumers.Readers,
            ReaderRequests = consumers.Requests,
        };
    }

    private long PublishMicros(long offset) =>
        state.Leases.TryGet(offset, out var lease) ? lease.PublishMicros : log.PublishMicros(offset) ?? 0;
}
