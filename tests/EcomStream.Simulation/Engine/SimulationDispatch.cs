using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace EcomStream.Simulation;

/// <summary>Dispatchers that only note what is ready to run.</summary>
/// <param name="config">The dispatcher's section.</param>
/// <param name="prerequisites">What Akka gives to dispatchers.</param>
public sealed class SimulationExecutorConfigurator(Config config, IDispatcherPrerequisites prerequisites)
    : ExecutorServiceConfigurator(config, prerequisites)
{
    /// <inheritdoc/>
    public override ExecutorService Produce(string id) => new Executor(id, SimulatedProcess.Of(Prerequisites.Settings.Config));

    private sealed class Executor(string id, SimulatedProcess process) : ExecutorService(id)
    {
        public override void Execute(IRunnable run) => process.Enqueue(run);

        public override void Shutdown()
        {
        }
    }
}

/// <summary>Akka's scheduler on virtual time.</summary>
/// <param name="config">The system's configuration.</param>
/// <param name="log">The system's log.</param>
public sealed class SimulationScheduler(Config config, ILoggingAdapter log) : SchedulerBase(config, log)
{
    private static readonly DateTimeOffset _start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly SimulatedProcess _process = SimulatedProcess.Of(config);

    /// <inheritdoc/>
    public override TimeSpan MonotonicClock => TimeSpan.FromMicroseconds(_process.Loop.Now);

    /// <inheritdoc/>
    public override TimeSpan HighResMonotonicClock => MonotonicClock;

    /// <inheritdoc/>
    protected override DateTimeOffset TimeNow => Time(_process.Loop.Now + _process.ClockOffset);

    /// <inheritdoc/>
    protected override void InternalScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        _process.Schedule(delay, null, () => receiver.Tell(message, sender), cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        _process.Schedule(initialDelay, interval, () => receiver.Tell(message, sender), cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        _process.Schedule(delay, null, action, cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        _process.Schedule(delay, null, action.Run, cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        _process.Schedule(initialDelay, interval, action, cancelable);

    /// <inheritdoc/>
    protected override void InternalScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        _process.Schedule(initialDelay, interval, action.Run, cancelable);

    internal static DateTimeOffset Time(long micros) => _start.AddTicks(micros * TimeSpan.TicksPerMicrosecond);
}
