using System.Collections.Concurrent;
using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace EcomStream.Actors;

/// <summary>
/// Akka's scheduler on a <see cref="TimeProvider"/>, so that the timers of actors and streams follow the same clock as
/// everything else: a fake one in tests. <see cref="Use"/> makes the configuration that selects it.
/// </summary>
public sealed class TimeProviderScheduler : SchedulerBase, IDisposable
{
    private const string Key = "akka.scheduler.ecomstream-time-provider";

    private static readonly ConcurrentDictionary<int, TimeProvider> _providers = new();
    private static int _lastProvider;

    private readonly ConcurrentDictionary<ScheduledAction, bool> _entries = new();
    private readonly TimeProvider _time;
    private readonly long _start;

    /// <summary>Makes the scheduler; Akka calls this.</summary>
    /// <param name="config">The system's configuration, with what <see cref="Use"/> returned.</param>
    /// <param name="log">The system's log.</param>
    /// <exception cref="ConfigurationException">The configuration was not made by <see cref="Use"/>.</exception>
    public TimeProviderScheduler(Config config, ILoggingAdapter log)
        : base(config, log)
    {
        _time = _providers.GetValueOrDefault(config.GetInt(Key, 0)) ?? throw new ConfigurationException(
            $"{Key} is not set: add the configuration that {nameof(TimeProviderScheduler)}.{nameof(Use)} returns.");
        _start = _time.GetTimestamp();
    }

    /// <inheritdoc/>
    public override TimeSpan MonotonicClock => _time.GetElapsedTime(_start);

    /// <inheritdoc/>
    public override TimeSpan HighResMonotonicClock => MonotonicClock;

    /// <inheritdoc/>
    protected override DateTimeOffset TimeNow => _time.GetUtcNow();

    /// <summary>
    /// Configuration for an actor system whose scheduler follows a clock. The clock stays registered for the life of the
    /// process, so that the system can be started again with the same configuration.
    /// </summary>
    /// <param name="time">The clock.</param>
    public static Config Use(TimeProvider time)
    {
        var id = Interlocked.Increment(ref _lastProvider);
        _providers[id] = time;
        return ConfigurationFactory.ParseString(string.Create(
            CultureInfo.InvariantCulture,
            $"akka.scheduler.implementation = \"{typeof(TimeProviderScheduler).FullName}, {typeof(TimeProviderScheduler).Assembly.GetName().Name}\"\n{Key} = {id}"));
    }

    /// <summary>Drops what is scheduled.</summary>
    public void Dispose()
    {
        foreach (var entry in _entries.Keys)
        {
            entry.Dispose();
        }
    }

    /// <inheritdoc/>
    protected override void InternalScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Schedule(delay, Timeout.InfiniteTimeSpan, () => receiver.Tell(message, sender), cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Schedule(initialDelay, interval, () => receiver.Tell(message, sender), cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        Schedule(delay, Timeout.InfiniteTimeSpan, action, cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        Schedule(delay, Timeout.InfiniteTimeSpan, action.Run, cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Schedule(initialDelay, interval, action, cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        Schedule(initialDelay, interval, action.Run, cancelable);

    private void Schedule(TimeSpan delay, TimeSpan interval, Action action, ICancelable? cancelable)
    {
        if (cancelable is { IsCancellationRequested: true })
        {
            return;
        }

        var entry = new ScheduledAction(this, action, isOnce: interval == Timeout.InfiniteTimeSpan);
        _entries[entry] = true;
        entry.Start(delay, interval, cancelable);
    }

    private sealed class ScheduledAction(TimeProviderScheduler scheduler, Action action, bool isOnce) : IDisposable
    {
        private ITimer? _timer;
        private CancellationTokenRegistration _cancellation;
        private volatile bool _isOver;

        public void Start(TimeSpan delay, TimeSpan interval, ICancelable? cancelable)
        {
            _cancellation = cancelable?.Token.Register(Dispose) ?? default;
            _timer = scheduler._time.CreateTimer(static entry => ((ScheduledAction)entry!).Fire(), this, delay, interval);
            if (_isOver)
            {
                _timer.Dispose();
            }
        }

        public void Dispose()
        {
            _isOver = true;
            scheduler._entries.TryRemove(this, out _);
            _timer?.Dispose();
        }

        private void Fire()
        {
            if (_isOver)
            {
                return;
            }

            if (isOnce)
            {
                Dispose();
                _cancellation.Unregister();
            }

            try
            {
                action();
            }
            catch (Exception failure)
            {
                scheduler.Log.Error(failure, "A scheduled action failed: {Error}", failure.Message);
            }
        }
    }
}
