namespace EcomStream.PubSub.Broker.Testing;

/// <summary>
/// A clock that tests move forward. Between the moves it goes as another clock does. Timers that are due by a move run then, on
/// threads of the pool.
/// </summary>
internal sealed class MovableTime(TimeProvider inner) : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly HashSet<MovableTimer> _timers = [];
    private TimeSpan _moved;

    public override TimeZoneInfo LocalTimeZone => inner.LocalTimeZone;

    public override long TimestampFrequency => inner.TimestampFrequency;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            return inner.GetUtcNow() + _moved;
        }
    }

    public override long GetTimestamp()
    {
        lock (_lock)
        {
            return inner.GetTimestamp() + (long)(_moved.TotalSeconds * inner.TimestampFrequency);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new MovableTimer(this, callback, state, period);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or longer than 100 years in all.</exception>
    public void Advance(TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        List<MovableTimer> timers;
        lock (_lock)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(_moved + time, TimeSpan.FromDays(36_500), nameof(time));
            _moved += time;
            timers = [.. _timers];
        }

        foreach (var timer in timers)
        {
            timer.Restart();
        }
    }

    private sealed class MovableTimer : ITimer
    {
        private readonly MovableTime _time;
        private readonly ITimer _inner;
        private readonly TimerCallback _callback;
        private readonly object? _state;
        private TimeSpan _period;
        private DateTimeOffset? _due;

        public MovableTimer(MovableTime time, TimerCallback callback, object? state, TimeSpan period)
        {
            (_time, _callback, _state, _period) = (time, callback, state, period);
            _inner = time.Inner.CreateTimer(_ => Run(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            lock (time._lock)
            {
                time._timers.Add(this);
            }
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (_time._lock)
            {
                _period = period;
                _due = dueTime < TimeSpan.Zero ? null : _time.Inner.GetUtcNow() + _time._moved + dueTime;
                return Arm();
            }
        }

        /// <summary>Waits for what is left of its time after the clock was moved.</summary>
        public void Restart()
        {
            lock (_time._lock)
            {
                Arm();
            }
        }

        public void Dispose()
        {
            lock (_time._lock)
            {
                _due = null;
                _time._timers.Remove(this);
            }

            _inner.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            lock (_time._lock)
            {
                _due = null;
                _time._timers.Remove(this);
            }

            return _inner.DisposeAsync();
        }

        private bool Arm()
        {
            if (_due is not { } due)
            {
                return _inner.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }

            var left = due - (_time.Inner.GetUtcNow() + _time._moved);
            return _inner.Change(left > TimeSpan.Zero ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }

        private void Run()
        {
            lock (_time._lock)
            {
                var now = _time.Inner.GetUtcNow() + _time._moved;
                if (_due is not { } due || due > now)
                {
                    // It was stopped or set anew meanwhile, or the other clock's timer is early: those of .NET count in whole
                    // milliseconds, and may end one too soon.
                    Arm();
                    return;
                }

                _due = _period > TimeSpan.Zero ? now + _period : null;
                Arm();
            }

            _callback(_state);
        }
    }

    private TimeProvider Inner => inner;
}
