using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Keeps the <see cref="SubscriptionWatermark"/> of one subscription up to date: the stream reports what it receives, a
/// <see cref="SubscriptionMonitorActor"/> the round trips. Thread-safe.
/// </summary>
internal sealed class SubscriptionMonitor
{
    private readonly ISubscription _subscription;
    private readonly TimeProvider _time;
    private readonly BrokerClock _clock;
    private readonly Lock _lock;
    private readonly SubscriptionWatermark _watermark;
    private long _lastReceived;
    private OutstandingMessage? _oldest;
    private bool _brokerTellsTime;
    private TimeSpan _longestLease;

    /// <summary>Makes a monitor.</summary>
    /// <param name="subscription">The subscription.</param>
    /// <param name="clock">The broker's clock, shared by the subscriptions of one broker.</param>
    /// <param name="clockLock">Guards <paramref name="clock"/> and the monitors that share it.</param>
    /// <param name="idle">Silence after which the subscription counts as idle.</param>
    /// <param name="time">The local clock.</param>
    public SubscriptionMonitor(ISubscription subscription, BrokerClock clock, Lock clockLock, TimeSpan idle, TimeProvider time)
    {
        _subscription = subscription;
        _clock = clock;
        _lock = clockLock;
        _time = time;
        _watermark = new SubscriptionWatermark(clock, idle);
        _lastReceived = Now;
    }

    /// <summary>The subscription's name.</summary>
    public string Name => _subscription.Name;

    /// <summary>Time since a batch was received, or since the start.</summary>
    public TimeSpan SinceLastReceived => TimeSpan.FromMicroseconds(Now - Volatile.Read(ref _lastReceived));

    /// <summary>
    /// The local clock less the broker's clock; null while that is not known. Without the broker's own time it is known
    /// only when the local clock is behind: a message that is received late looks like a clock that is ahead.
    /// </summary>
    public TimeSpan? ClockSkew
    {
        get
        {
            lock (_lock)
            {
                var skew = Timestamps.Micros(_time.GetUtcNow()) - _clock.At(Now);
                return _clock.IsKnown && skew is { } micros && (micros < 0 || _brokerTellsTime) ? TimeSpan.FromMicroseconds(micros) : null;
            }
        }
    }

    // Monotonic microseconds.
    private long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>A batch was received. Called before it is passed on.</summary>
    public void Received(IReadOnlyList<Delivery> batch)
    {
        if (batch.Count == 0)
        {
            return;
        }

        var (oldest, newest) = (long.MaxValue, long.MinValue);
        for (var i = 0; i < batch.Count; i++)
        {
            oldest = Math.Min(oldest, batch[i].PublishTimeMicros);
            newest = Math.Max(newest, batch[i].PublishTimeMicros);
        }

        var now = Now;
        Volatile.Write(ref _lastReceived, now);
        lock (_lock)
        {
            _watermark.Received(oldest, newest, now);
        }
    }

    /// <summary>The longest time for which a reader that died may hold messages, as the broker last reported it; zero where
    /// the broker reports its backlog, which includes them.</summary>
    public TimeSpan LongestLease
    {
        get
        {
            lock (_lock)
            {
                return _longestLease;
            }
        }
    }

    /// <summary>See <see cref="SubscriptionWatermark.NothingLeased"/>.</summary>
    public void NothingLeased()
    {
        lock (_lock)
        {
            _watermark.NothingLeased();
        }
    }

    /// <summary>See <see cref="SubscriptionWatermark.IsNothingLeasedElsewhere"/>.</summary>
    public bool IsNothingLeasedElsewhere
    {
        get
        {
            lock (_lock)
            {
                return _watermark.IsNothingLeasedElsewhere;
            }
        }
    }

    /// <summary>A received message was given back.</summary>
    public void GivenBack(Delivery delivery)
    {
        if (delivery.Subscription == Name)
        {
            lock (_lock)
            {
                _watermark.GivenBack(delivery.PublishTimeMicros, Now);
            }
        }
    }

    /// <summary>
    /// How far messages have been settled: everything published before it was received and its effect is durable. Not later
    /// than <see cref="Read"/>.
    /// </summary>
    public WatermarkReading ReadSettled()
    {
        // In this order: what is received after the first look was published after the watermark or is received again.
        var reading = Read();
        var oldest = _subscription.OldestOutstanding();
        return oldest is { } unsettled && unsettled.PublishTimeMicros < reading.Micros
            ? new WatermarkReading(unsettled.PublishTimeMicros, WatermarkHold.Unsettled, reading.HeldFor, unsettled.MessageId)
            : reading;
    }

    /// <summary>The watermark now.</summary>
    public WatermarkReading Read()
    {
        // The oldest message as of the last look: one that arrived since is among the latest, which bound the watermark.
        var status = _subscription.Status;
        lock (_lock)
        {
            return _watermark.Read(status, _oldest, Now);
        }
    }

    /// <summary>Looks at the state of the streams.</summary>
    public void Update()
    {
        var (status, oldest) = (_subscription.Status, _subscription.OldestOutstanding());
        lock (_lock)
        {
            _oldest = oldest;
            _watermark.Update(status, Now);
            _watermark.UpdateHold(status, oldest, Now);
        }
    }

    /// <summary>Makes a round trip to the broker.</summary>
    public async Task ProbeAsync(CancellationToken cancellationToken)
    {
        var (sentAt, wasFull) = (Now, _subscription.Status.IsFull);
        var answer = await _subscription.ProbeAsync(cancellationToken);
        wasFull |= _subscription.Status.IsFull;
        lock (_lock)
        {
            _longestLease = answer.Backlog is null ? answer.LongestLease ?? TimeSpan.Zero : TimeSpan.Zero;
            _brokerTellsTime = answer.BrokerTimeMicros is not null;
            _clock.Assume(Timestamps.Micros(_time.GetUtcNow()), Now);
            _watermark.Probed(answer, sentAt, Now, wasFull);
        }

        Update();
    }
}
