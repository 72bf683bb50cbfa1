using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// How far one subscription has been read: every message published before the watermark has been received. The source
/// and the monitor feed it; reading it changes nothing. Pure: all local times are monotonic microseconds that are passed
/// in, all publish times are the broker's. Not thread-safe.
/// </summary>
/// <remarks>
/// <para>A broker that reports its backlog decides alone: the watermark is the oldest publish time that is not acked, or
/// the broker's time when no message is unacked but those in flight here.</para>
/// <para>For other brokers it is inferred. After a start or a reconnect the watermark is unknown until the longest lease
/// has run out that a lost reader may hold, counted anew whenever a message from before that start arrives and paused while
/// the subscription is full and nothing arrives, and until a round trip on the same connection has shown that it carries
/// data. Then it is the oldest publish time among the messages of the last one to two <paramref name="idle"/> windows,
/// or, after a silence of <paramref name="idle"/> that a round trip confirms, the broker's time at that round trip less
/// <paramref name="idle"/>, which covers messages that were published just before.</para>
/// </remarks>
/// <param name="clock">The broker's clock.</param>
/// <param name="idle">Silence after which the subscription counts as idle.</param>
internal sealed class SubscriptionWatermark(BrokerClock clock, TimeSpan idle)
{
    // Far enough in the past for every comparison, and no difference to it overflows.
    private const long ProbeIsOld = 15_000_000;
    private const long LongAgo = long.MinValue / 4;

    private readonly long _idle = (long)idle.TotalMicroseconds;
    private long _current = long.MaxValue;
    private long _previous = long.MaxValue;
    private long _windowStart = LongAgo;
    private long _receivedAt = LongAgo;

    // When it was last seen that the subscription takes no more messages.
    private long _fullAt = LongAgo;
    private long? _readingSince;

    // No reader before this one has left anything leased, and this one has lost no stream.
    private bool _nothingLeased;

    // From when leases are waited for: the last arrival of a message that was published before reading began, later by the time
    // since then in which nothing could arrive.
    private long _leasesSince = LongAgo;
    private long _updatedAt = LongAgo;
    private long _streamsOpened;
    private (SubscriptionProbe Answer, long SentAt, bool AllReceived)? _probe;
    private long _longestLease;

    // The oldest publish time among messages that were given back, and when that last happened.
    private (long OldestPublishTime, long At)? _givenBack;
    private (WatermarkHold Hold, string MessageId, long Since) _held = (WatermarkHold.NotReading, "", 0);

    /// <summary>
    /// Tells that the last reader gave back everything and that nobody else reads: until a stream is lost, no lease is waited for.
    /// Called before the reading begins.
    /// </summary>
    public void NothingLeased() => _nothingLeased = true;

    /// <summary>The state of the subscription's streams at a time.</summary>
    public void Update(SubscriptionStatus status, long at)
    {
        if (!status.IsReading)
        {
            _nothingLeased &= _readingSince is null;
            _readingSince = null;
        }
        else if (_readingSince is null || status.StreamsOpened != _streamsOpened)
        {
            // What the broker had sent on a lost stream stays leased to that stream.
            _nothingLeased &= _readingSince is null && status.StreamsReopened == 0;
            _readingSince = at;
        }

        if (status.IsFull)
        {
            _fullAt = at;
            if (_readingSince is { } since && since <= _updatedAt && _receivedAt <= _updatedAt)
            {
                _leasesSince = Math.Max(_leasesSince, since) + (at - _updatedAt);
            }
        }

        _updatedAt = at;
        _streamsOpened = status.StreamsOpened;
        UpdateHold(status, null, at);
    }

    /// <summary>A batch was received. Called before it is passed on.</summary>
    /// <param name="oldestPublishTime">The oldest publish time in it, microseconds since the Unix epoch.</param>
    /// <param name="newestPublishTime">The newest publish time in it.</param>
    /// <param name="at">When it was received.</param>
    public void Received(long oldestPublishTime, long newestPublishTime, long at)
    {
        clock.Observe(newestPublishTime, at);
        if (at - _windowStart > _idle)
        {
            _previous = at - _windowStart > 2 * _idle ? long.MaxValue : _current;
            _current = long.MaxValue;
            _windowStart = at;
        }

        // Servers may go on leasing to a lost reader for a while. As long as what it held comes back, there may be more.
        if (_readingSince is { } since && (clock.LatestAt(since) is not { } began || oldestPublishTime < began))
        {
            _leasesSince = at;
        }

        _current = Math.Min(_current, oldestPublishTime);
        _receivedAt = at;
    }

    /// <summary>
    /// A received message was given back: until it is delivered again, here or to another reader, it counts as not received.
    /// </summary>
    /// <param name="publishTime">Its publish time, microseconds since the Unix epoch.</param>
    /// <param name="at">When it was given back.</param>
    public void GivenBack(long publishTime, long at)
    {
        DropReturned(at);
        _givenBack = (Math.Min(publishTime, _givenBack?.OldestPublishTime ?? long.MaxValue), at);
    }

    /// <summary>The broker answered a probe.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="sentAt">When the probe was sent.</param>
    /// <param name="at">When the answer arrived.</param>
    /// <param name="wasFull">Whether the subscription took no more messages at its beginning or end.</param>
    public void Probed(in SubscriptionProbe answer, long sentAt, long at, bool wasFull = false)
    {
        if (answer.BrokerTimeMicros is { } brokerTime)
        {
            clock.Tell(brokerTime, at);
        }

        _longestLease = answer.LongestLease is { } lease ? (long)lease.TotalMicroseconds : _longestLease;

        // When exactly the messages in flight here are unacked, every message was received, however long they stay there.
        var allReceived = !wasFull && _receivedAt < sentAt && answer.Backlog is { } backlog && backlog.UnackedMessages == answer.ReceivedMessages;
        _probe = (answer, sentAt, allReceived);
    }

    /// <summary>
    /// Whether no reader that is gone may still hold messages, so that whatever is leased is in flight here. False for a broker
    /// that reports its backlog: nobody needs to know it there.
    /// </summary>
    public bool IsNothingLeasedElsewhere =>
        _readingSince is { } since && _probe is { Answer.Backlog: null } probe && probe.SentAt >= since && _longestLease > 0
        && !AwaitsLeases(since, probe.SentAt) && (_givenBack is not { } back || probe.SentAt - back.At >= ReturnTime);

    /// <summary>The watermark at a time.</summary>
    /// <param name="status">The subscription's status.</param>
    /// <param name="oldest">The oldest unsettled message; null for none.</param>
    /// <param name="at">The time.</param>
    public WatermarkReading Read(SubscriptionStatus status, OutstandingMessage? oldest, long at)
    {
        var (micros, hold, messageId) = Evaluate(status, oldest, at);
        var since = _held.Hold == hold && _held.MessageId == messageId ? _held.Since : at;
        return new WatermarkReading(micros, hold, TimeSpan.FromMicroseconds(Math.Max(0, at - since)), messageId);
    }

    /// <summary>Remembers since when the same thing holds the watermark.</summary>
    public void UpdateHold(SubscriptionStatus status, OutstandingMessage? oldest, long at)
    {
        var (_, hold, messageId) = Evaluate(status, oldest, at);
        if (_held.Hold != hold || _held.MessageId != messageId)
        {
            _held = (hold, messageId, at);
        }
    }

    private (long? Micros, WatermarkHold Hold, string MessageId) Evaluate(SubscriptionStatus status, OutstandingMessage? oldest, long at)
    {
        if (!status.IsReading || _readingSince is not { } since)
        {
            return (null, WatermarkHold.NotReading, "");
        }

        // A probe that was sent before the stream was open says nothing about that stream.
        if (_probe is not { } probe || probe.SentAt < since)
        {
            return (null, WatermarkHold.Unconfirmed, "");
        }

        if (probe.Answer is { Backlog: { } backlog, BrokerTimeMicros: { } brokerTime })
        {
            // What was true when it was reported stays true, but it does not say that nothing was published since.
            return backlog.UnackedMessages == 0 || probe.AllReceived
                    ? (brokerTime, at - probe.SentAt > ProbeIsOld ? WatermarkHold.Unconfirmed : WatermarkHold.None, "")
                : oldest is { } held && held.PublishTimeMicros <= backlog.OldestPublishTimeMicros
                    ? (backlog.OldestPublishTimeMicros, WatermarkHold.Unsettled, held.MessageId)
                : (backlog.OldestPublishTimeMicros, WatermarkHold.Backlog, "");
        }

        var (micros, hold, messageId) = InferReceived(status.IsFull, oldest, probe.SentAt, at);
        return _givenBack is { } back && probe.SentAt - back.At < ReturnTime && micros > back.OldestPublishTime
            ? (back.OldestPublishTime, WatermarkHold.Leases, "")
            : (micros, hold, messageId);
    }

    // Counted up to the last round trip: of the time after it, which this process may have slept, nothing is known.
    private bool AwaitsLeases(long since, long probedAt) =>
        !_nothingLeased && _longestLease > 0 && probedAt - Math.Max(since, _leasesSince) < _longestLease;

    // By then the broker has delivered again what was given back.
    private long ReturnTime => Math.Max(_longestLease, _idle);

    private void DropReturned(long at)
    {
        if (_givenBack is { } back && at - back.At >= ReturnTime)
        {
            _givenBack = null;
        }
    }

    private (long? Micros, WatermarkHold Hold, string MessageId) InferReceived(bool isFull, OutstandingMessage? oldest, long probedAt, long at)
    {
        var since = _readingSince!.Value;

        if (AwaitsLeases(since, probedAt))
        {
            return (null, WatermarkHold.Leases, "");
        }

        // Messages in flight do not matter here: they are received, and their orders' actors have them by now.
        // Before the reading began there was nothing to be heard.
        var quietSince = Math.Max(since, Math.Max(_receivedAt, _fullAt));
        if (!isFull && at - quietSince >= _idle && probedAt - quietSince >= _idle)
        {
            return clock.At(probedAt) is { } brokerTime
                ? (brokerTime - _idle, WatermarkHold.None, "")
                : (null, WatermarkHold.Unconfirmed, "");
        }

        var lately = at - _windowStart > 2 * _idle ? long.MaxValue : Math.Min(_current, _previous);
        if (oldest is { } held && held.PublishTimeMicros <= lately)
        {
            return (held.PublishTimeMicros, WatermarkHold.Unsettled, held.MessageId);
        }

        return lately == long.MaxValue ? (null, WatermarkHold.Unconfirmed, "") : (lately, WatermarkHold.Backlog, "");
    }
}
