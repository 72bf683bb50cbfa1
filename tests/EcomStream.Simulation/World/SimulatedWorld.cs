using System.Globalization;
using Akka.Actor;
using EcomStream.Actors;
using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>
/// Everything outside the process: the shop, the broker, the store, the dead-letter topics, and what goes wrong. It lives
/// on when the process is gone.
/// </summary>
internal sealed class SimulatedWorld
{
    // After the last message and fault, how long the process may take until everything is settled.
    private const long LongestRecovery = 30 * 60 * Scenario.Second;

    private readonly List<PublishedDeadLetter> _deadLetters = [];
    private readonly FaultPlan _faults;
    private long _lastMessageId;
    private long _lastTime;
    private long? _equalTime;
    private long _downUntil;
    private long _storeDownUntil;
    private SubscriptionReader[] _readers = [];

    /// <summary>Makes a world and what is to happen in it.</summary>
    public SimulatedWorld(SimulationLoop loop, Scenario scenario)
    {
        (Loop, Scenario) = (loop, scenario);
        loop.Slowness = scenario.Slowness;
        _lastMessageId = loop.Random.Next(1_000_000);
        Orders = new SimulatedSubscription(this, "orders_data-sub");
        Payments = new SimulatedSubscription(this, "payments_data-sub");
        Store = new StoredRows(this);
        Checker = new Checker(this);
        Operator = new Operator(this);
        _faults = new FaultPlan(this);
        new Shop(this).Open();
        _faults.Plan();
        Operator.Plan();
        loop.After(loop.Random.NextInt64(scenario.Duration), "the process starts", StartProcess);
        loop.After(scenario.Duration + FaultPlan.LongestFault, "no more faults", EndOfFaults);
    }

    public SimulationLoop Loop { get; }

    public Scenario Scenario { get; }

    public SimulatedSubscription Orders { get; }

    public SimulatedSubscription Payments { get; }

    public StoredRows Store { get; }

    public Checker Checker { get; }

    public Operator Operator { get; }

    /// <summary>The dead letters that were published.</summary>
    public IReadOnlyList<PublishedDeadLetter> DeadLetters => _deadLetters;

    /// <summary>The process; null while there is none.</summary>
    public SimulatedProcess? Process { get; private set; }

    /// <summary>Its pipeline.</summary>
    public EcomStreamPipeline? Pipeline { get; private set; }

    /// <summary>Its readers.</summary>
    public IReadOnlyList<SubscriptionReader> Readers => _readers;

    /// <summary>A dead-letter topic that does not exist for now.</summary>
    public string? MissingTopic { get; set; }

    /// <summary>Whether anything may still go wrong.</summary>
    public bool HasFaults { get; private set; } = true;

    public bool BrokerIsDown => Loop.Now < _downUntil;

    public bool StoreIsDown => Loop.Now < _storeDownUntil;

    /// <summary>The broker's clock, microseconds since the Unix epoch.</summary>
    public long BrokerMicros => Timestamps.Micros(SimulationScheduler.Time(Loop.Now + Scenario.BrokerClockOffset));

    /// <summary>A delay below a bound; at times a multiple of it.</summary>
    public long Delay(long most) => Loop.Random.NextInt64(most) * (Scenario.Chance(Loop.Random, 0.02) ? 10 : 1);

    /// <summary>The share of what fails: none when nothing may go wrong any more.</summary>
    public double FaultShare(double share) => HasFaults ? share : 0;

    public void Note(string what) => Loop.Trace.Note(Loop.Now, what);

    /// <summary>The shop publishes messages in one request: they have one publish time.</summary>
    public void Publish(SimulatedSubscription subscription, IReadOnlyList<SimulatedMessage> messages)
    {
        if (BrokerIsDown)
        {
            Loop.After(Math.Min(_downUntil - Loop.Now, Scenario.Second / 2), "it is published again", () => Publish(subscription, messages));
            return;
        }

        // One publish time for all, in whole milliseconds; or one for each, in microseconds. At times the first messages of
        // several requests have one stamp.
        var isEqual = BrokerMicros - _equalTime < 400 * Scenario.Millisecond && Scenario.Chance(Loop.Random, 0.5);
        var time = Scenario.WholeMilliseconds ? BrokerMicros / 1000 * 1000 : Math.Max(_lastTime + 7, BrokerMicros);
        foreach (var message in messages)
        {
            if (!Scenario.WholeMilliseconds)
            {
                // Whole milliseconds would be completed from the message id.
                time += time % 1000 == 0 ? 1 : 0;
            }

            var published = message with
            {
                Id = (++_lastMessageId).ToString(CultureInfo.InvariantCulture),
                PublishTime = isEqual ? _equalTime!.Value : time,
            };
            Note($"{subscription.Name}: the shop publishes {published}, stamp {published.Stamp}");
            subscription.Add(published);
            _equalTime = Scenario.WholeMilliseconds ? null : isEqual ? _equalTime : time;
            isEqual = false;
            _lastTime = time;
            time += Scenario.WholeMilliseconds ? 0 : 7;
        }
    }

    /// <summary>A dead letter has reached its topic.</summary>
    public void Publish(PublishedDeadLetter deadLetter)
    {
        Note($"{deadLetter.Topic}: {deadLetter}");
        _deadLetters.Add(deadLetter);
        Checker.DeadLettered(deadLetter);
    }

    /// <summary>The broker cannot be reached for a while.</summary>
    public void StopBroker(long duration)
    {
        _downUntil = Loop.Now + duration;
        Orders.Restart();
        Payments.Restart();
    }

    /// <summary>The store cannot be reached for a while.</summary>
    public void StopStore(long duration) => _storeDownUntil = Loop.Now + duration;

    /// <summary>Starts the process, unless it runs.</summary>
    public void StartProcess()
    {
        if (Process is not null)
        {
            return;
        }

        var process = Process = new SimulatedProcess(Loop, Scenario.Settings, Scenario.ProcessClockOffset);
        Loop.After(0, "the actor system has started", () => StartPipeline(process), process);
    }

    /// <summary>The process ends at once.</summary>
    public void Crash()
    {
        if (Process is { } process)
        {
            Note("the process is killed");
            Forget(process);
        }
    }

    /// <summary>The process is asked to end, and killed if it takes too long.</summary>
    public void Terminate(Action? ended = null)
    {
        if (Process is not { } process || Pipeline is not { } pipeline)
        {
            return;
        }

        Note("the process is asked to end");
        var (asked, deadline) = (Loop.Now, (long)pipeline.Settings.ShutdownTimeout.TotalMicroseconds + (10 * Scenario.Second));
        Loop.After(
            deadline,
            "",
            () =>
            {
                // A process that stood still has had less time.
                if (process.PausedUntil <= asked)
                {
                    Checker.Fail($"the process did not end within {deadline / Scenario.Second} s");
                }
            },
            process);
        _ = EndAsync();

        async Task EndAsync()
        {
            await pipeline.DrainAsync();
            if (!process.IsGone)
            {
                Note("the process has ended");
                Forget(process);
                ended?.Invoke();
            }
        }
    }

    private void StartPipeline(SimulatedProcess process)
    {
        // Before the actors of the system itself have started, materializing a stream would block.
        if (process.HasReady)
        {
            Loop.After(Scenario.Millisecond, "", () => StartPipeline(process), process);
            return;
        }

        _readers = [new SubscriptionReader(this, process, Orders), new SubscriptionReader(this, process, Payments)];
        var pipeline = Pipeline = EcomStreamPipeline.Start(
            process.System,
            new EcomStreamPorts(new SimulatedStore(this, process), _readers[0], _readers[1], new SimulatedPublisher(this, process)) { IsOnlyReader = Scenario.IsOnlyReader });
        _ = WatchAsync();

        async Task WatchAsync()
        {
            try
            {
                await pipeline.Completion;
            }
            catch (Exception failure) when (!process.IsGone)
            {
                Checker.Fail($"the pipeline has failed: {failure}");
            }
        }
    }

    private void Forget(SimulatedProcess process)
    {
        process.Crash();

        // Its meters would keep all of it in memory.
        Pipeline?.Metrics.Dispose();
        foreach (var reader in _readers)
        {
            (reader.Name == Orders.Name ? Orders : Payments).Close(reader);
        }

        (Process, Pipeline, _readers) = (null, null, []);
    }

    private void EndOfFaults()
    {
        Note("nothing goes wrong from here on");
        HasFaults = false;
        MissingTopic = null;
        _downUntil = _storeDownUntil = Loop.Now;
        StartProcess();
        Loop.After(Scenario.Second, "", () => WaitForQuiet(Loop.Now + LongestRecovery), null);
    }

    private void WaitForQuiet(long until)
    {
        StartProcess();
        if (Checker.IsQuiet && Pipeline is not null)
        {
            Checker.CheckAtTheEnd();
            if (Scenario.Chance(Loop.Random, 0.5))
            {
                Loop.IsOver = true;
                return;
            }

            Terminate(() =>
            {
                Checker.CheckAtTheEnd();
                Loop.IsOver = true;
            });
            return;
        }

        if (Loop.Now > until)
        {
            Checker.Fail($"{LongestRecovery / Scenario.Second} s after the last fault something is not settled: {Checker.Unsettled}");
        }

        Loop.After(5 * Scenario.Second, "", () => WaitForQuiet(until));
    }
}
