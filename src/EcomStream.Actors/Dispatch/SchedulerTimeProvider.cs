using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>
/// The clock of an Akka scheduler as a <see cref="TimeProvider"/>, so that a pipeline and the timers of its actors have
/// one clock: also under the virtual time of <c>Akka.TestKit.TestScheduler</c>.
/// </summary>
/// <param name="scheduler">The scheduler.</param>
public sealed class SchedulerTimeProvider(IScheduler scheduler) : TimeProvider
{
    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => scheduler.Now;

    /// <inheritdoc/>
    public override long GetTimestamp() => scheduler.MonotonicClock.Ticks;

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SchedulerTimer(scheduler, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class SchedulerTimer(IScheduler scheduler, Action callback) : ITimer
    {
        private readonly Lock _lock = new();
        private Cancelable? _scheduled;
        private bool _disposed;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (_lock)
            {
                _scheduled?.Cancel();
                _scheduled = null;
                if (_disposed)
                {
                    return false;
                }

                if (dueTime == Timeout.InfiniteTimeSpan)
                {
                    return true;
                }

                _scheduled = new Cancelable(scheduler.Advanced);
                if (period == Timeout.InfiniteTimeSpan || period == TimeSpan.Zero)
                {
                    scheduler.Advanced.ScheduleOnce(dueTime, callback, _scheduled);
                }
                else
                {
                    scheduler.Advanced.ScheduleRepeatedly(dueTime, period, callback, _scheduled);
                }

                return true;
            }
        }

        public void Dispose()
        {
            lock (_lock)
            {
                _disposed = true;
                _scheduled?.Cancel();
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
