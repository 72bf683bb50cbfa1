using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Filters;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>
/// Finds the messages of a subscription that are delivered next: those of ordering keys whose turn has come, those that are
/// delivered again, and then those that were not read yet. Guarded by its subscription.
/// </summary>
internal sealed class MessageSource(TopicLog log, DeliveryState state, MessageFilter? filter)
{
    // A filter that nothing matches, or a key that stands still, is not to hold the lock for a whole backlog.
    private const int MaxPassedOver = 10_000;

    // Of one response. Further messages of ordering keys come after what is not read yet, so that a busy key does not
    // starve the others.
    private const int KeysFirst = 500;

    private readonly LogReader _reader = new(log);
    private readonly LogReader _parkedReader = new(log);
    private KeyOwner _owner = new(null);
    private int _passedOver;
    private int _ofKeys;

    // Messages before this offset were matched against the filter, or are delivered or acked already.
    private long _matchedTo;

    /// <summary>Whether messages may be left that this response did not get to.</summary>
    public bool IsInterrupted => _passedOver >= MaxPassedOver;

    /// <summary>A response is filled from here on.</summary>
    /// <param name="consumer">Whose response it is.</param>
    public void BeginResponse(PullConsumer consumer)
    {
        _passedOver = 0;
        _ofKeys = 0;
        if (state.Keys is not null)
        {
            _owner = consumer.OwnerOfResponse();
        }
    }

    /// <summary>The next message; it is to be leased.</summary>
    /// <param name="settings">Those of the subscription.</param>
    /// <param name="offset">The message.</param>
    /// <param name="again">Whether it was delivered before.</param>
    /// <param name="message">The serialized PubsubMessage, valid until the next call.</param>
    /// <param name="micros">Its publish time.</param>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public bool TryTake(SubscriptionSettings settings, out long offset, out bool again, out ReadOnlySpan<byte> message, out long micros) =>
        (_ofKeys < KeysFirst && TryTakeOfKey(settings, out offset, out again, out message, out micros))
        || TryTakeAgain(out offset, out again, out message, out micros)
        || TryRead(settings, out offset, out again, out message, out micros)
        || (_ofKeys >= KeysFirst && TryTakeOfKey(settings, out offset, out again, out message, out micros));

    /// <summary>
    /// Acks what the filter rejects of the messages before an offset that nobody has pulled yet, a limited number at a time.
    /// </summary>
    /// <returns>Whether it came to the offset.</returns>
    public bool TryFilterUpTo(long end, LogReader reader)
    {
        if (filter is null)
        {
            return true;
        }

        var offset = Math.Max(_matchedTo, state.Next);
        for (var passed = 0; offset < end && passed < MaxPassedOver; offset++, passed++)
        {
            if (!state.Acks.State.IsAcked(offset) && !state.IsOnItsWay(offset) && reader.TryRead(offset, out var message, out _)
                && (message.IsEmpty || !filter.Matches(message)))
            {
                state.Rejected.Add(offset);
            }
        }

        _matchedTo = offset;
        state.Rejected.Ack();
        return offset >= end;
    }

    /// <summary>Whether the subscription delivers a message, as far as the message itself says.</summary>
    public bool IsWanted(ReadOnlySpan<byte> message) => !message.IsEmpty && filter?.Matches(message) != false;

    /// <summary>After a seek messages that were acked may come again.</summary>
    public void BeginAgain() => _matchedTo = 0;

    /// <summary>Gives the buffers back while nobody reads.</summary>
    public void Release()
    {
        _reader.Release();
        _parkedReader.Release();
    }

    private bool TryTakeOfKey(SubscriptionSettings settings, out long offset, out bool again, out ReadOnlySpan<byte> message, out long micros)
    {
        while (state.Keys is { } keys && _passedOver < MaxPassedOver && keys.TryTake(_owner, out offset, out again, out var parked))
        {
            if (parked is not null)
            {
                ReadParked(keys, parked);
            }
            else if (HasFailedTooOften(settings, offset))
            {
                state.SetAside(offset);
            }
            else if (TryReadTaken(keys, offset, out message, out micros))
            {
                _ofKeys++;
                return true;
            }
        }

        message = default;
        (offset, again, micros) = (-1, false, 0);
        return false;
    }

    // What cannot be read stays where it was.
    private bool TryReadTaken(OrderingKeys keys, long offset, out ReadOnlySpan<byte> message, out long micros)
    {
        try
        {
            return _reader.TryRead(offset, out message, out micros);
        }
        catch (InvalidDataException)
        {
            keys.Return(offset, 0);
            throw;
        }
    }

    // Keeps messages that were passed by because too many of their key waited.
    private void ReadParked(OrderingKeys keys, KeyQueue key)
    {
        while (_passedOver < MaxPassedOver)
        {
            var offset = Math.Max(key.ParkedFrom, state.Acks.State.Cursor);
            if (offset >= state.Next || !_parkedReader.TryRead(offset, out var message, out _))
            {
                keys.EndParking(key);
                return;
            }

            _passedOver++;
            key.ParkedFrom = offset + 1;
            if (state.Acks.State.IsAcked(offset) || !IsWanted(message) || !MessageFields.OrderingKey(message).SequenceEqual(key.Name))
            {
                continue;
            }

            state.Acks.ForgetEarly([offset]);
            if (!keys.Unpark(key, offset))
            {
                return;
            }
        }
    }

    private bool TryTakeAgain(out long offset, out bool again, out ReadOnlySpan<byte> message, out long micros)
    {
        again = true;
        while (state.Redeliveries.TryPeek(out offset))
        {
            var isThere = _reader.TryRead(offset, out message, out micros);
            state.Redeliveries.Take();
            if (isThere)
            {
                return true;
            }
        }

        message = default;
        micros = 0;
        return false;
    }

    private bool TryRead(SubscriptionSettings settings, out long offset, out bool again, out ReadOnlySpan<byte> message, out long micros)
    {
        while (_passedOver < MaxPassedOver)
        {
            while (state.Acks.State.IsAcked(state.Next) || state.IsOnItsWay(state.Next))
            {
                state.Next = Math.Max(state.Next + 1, state.Acks.State.Cursor);
            }

            if (state.Keys is { IsFull: true } || !_reader.TryRead(state.Next, out message, out micros))
            {
                break;
            }

            // After a seek it may be one that was delivered before.
            again = state.Next < state.SeenBefore;
            offset = state.Next;
            var isDeliverable = IsDeliverable(settings, offset, message);

            // Not before: a message that cannot be judged is not passed by.
            state.Next = offset + 1;
            if (isDeliverable)
            {
                return true;
            }

            _passedOver++;
        }

        message = default;
        (offset, again, micros) = (-1, false, 0);
        return false;
    }

    // What was just read is delivered, unless the filter acks it, its key makes it wait or it has failed too often.
    private bool IsDeliverable(SubscriptionSettings settings, long offset, ReadOnlySpan<byte> message)
    {
        if (!IsWanted(message))
        {
            // Without bytes it stands for a message that was damaged (BrokerRepair).
            state.Rejected.Add(offset);
            return false;
        }

        if (state.Keys is { } keys && MessageFields.OrderingKey(message) is { IsEmpty: false } key)
        {
            if (state.Acks.IsEarly(offset))
            {
                // Acked before a restart. It counts if what came before it is acked by now; otherwise that is delivered
                // again, and this with it.
                if (!keys.IsActive(key))
                {
                    state.Rejected.Add(offset);
                    return false;
                }

                state.Acks.ForgetEarly([offset]);
            }

            if (keys.Admit(key, offset, _owner) != Admission.Deliver)
            {
                return false;
            }
        }

        if (HasFailedTooOften(settings, offset))
        {
            state.SetAside(offset);
            return false;
        }

        return true;
    }

    private bool HasFailedTooOften(SubscriptionSettings settings, long offset) =>
        settings.DeadLetter is { } deadLetter && state.Acks.Failures(offset) >= deadLetter.MaxDeliveryAttempts;
}
