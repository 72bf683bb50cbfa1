using Akka.Actor;
using Akka.Event;

namespace EcomStream.Actors;

/// <summary>Makes a round trip to the broker at every interval, and logs when the clocks differ or a watermark is held.</summary>
internal sealed class SubscriptionMonitorActor : UntypedActor, IWithTimers
{
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LargeSkew = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongHold = TimeSpan.FromMinutes(1);

    private readonly SubscriptionMonitor _monitor;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private bool _isProbing;
    private bool _skewIsLogged;
    private TimeSpan _holdIsLogged;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public SubscriptionMonitorActor(SubscriptionMonitor monitor, TimeSpan interval, TimeProvider time) =>
        (_monitor, _interval, _time) = (monitor, interval, time);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The actor of one subscription.</summary>
    /// <param name="monitor">What it keeps up to date.</param>
    /// <param name="interval">Time between round trips.</param>
    /// <param name="time">The clock.</param>
    public static Props Props(SubscriptionMonitor monitor, TimeSpan interval, TimeProvider time) =>
        Akka.Actor.Props.Create(() => new SubscriptionMonitorActor(monitor, interval, time));

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer(nameof(ProbeTick), ProbeTick.Instance, _interval);
        Self.Tell(ProbeTick.Instance);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ProbeTick:
                _monitor.Update();
                LogHold();
                if (!_isProbing)
                {
                    _isProbing = true;
                    ProbeAsync().PipeTo(Self, success: () => ProbeAnswered.Instance, failure: error => new ProbeFailed(error));
                }

                break;
            case ProbeAnswered:
                _isProbing = false;
                LogSkew();
                break;
            case ProbeFailed failed:
                // The watermark stands still until a round trip succeeds; the subscription logs lost connections.
                _isProbing = false;
                _log.Debug("A round trip to the broker of {Subscription} failed: {Error}", _monitor.Name, failed.Error.Message);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private async Task ProbeAsync()
    {
        using var timeout = new CancellationTokenSource(ProbeTimeout, _time);
        await _monitor.ProbeAsync(timeout.Token).WaitAsync(timeout.Token);
    }

    private void LogSkew()
    {
        if (_skewIsLogged || _monitor.ClockSkew is not { } skew || skew.Duration() < LargeSkew || !_monitor.Read().IsCaughtUp)
        {
            return;
        }

        _skewIsLogged = true;
        _log.Warning(
            "The local clock differs from the broker's by {Skew:0.0} s: publish times are compared with the broker's clock, so no payment is given up early, but local times in rows and logs are wrong. Synchronize the clock of this machine",
            skew.TotalSeconds);
    }

    private void LogHold()
    {
        var reading = _monitor.Read();
        if (reading.IsCaughtUp || reading.Hold == WatermarkHold.Backlog || reading.HeldFor < LongHold)
        {
            _holdIsLogged = TimeSpan.Zero;
        }
        else if (reading.HeldFor >= 2 * _holdIsLogged)
        {
            _holdIsLogged = reading.HeldFor;
            _log.Warning(
                "The watermark of {Subscription} has been held for {HeldFor:0} s: {Hold}", _monitor.Name, reading.HeldFor.TotalSeconds, reading.ToString());
        }
    }

    private sealed record ProbeFailed(Exception Error) : INoSerializationVerificationNeeded;

    private sealed class ProbeAnswered : INoSerializationVerificationNeeded
    {
        public static readonly ProbeAnswered Instance = new();
    }

    private sealed class ProbeTick : INoSerializationVerificationNeeded
    {
        public static readonly ProbeTick Instance = new();
    }
}
