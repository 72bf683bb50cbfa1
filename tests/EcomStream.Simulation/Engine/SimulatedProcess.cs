using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;
using EcomStream.Actors;

namespace EcomStream.Simulation;

/// <summary>
/// One process: an actor system whose dispatchers and scheduler are the loop's. It is gone at once when it crashes:
/// nothing of it runs any more.
/// </summary>
internal sealed partial class SimulatedProcess
{
    internal const string Key = "akka.simulated-process";

    private static readonly ConcurrentDictionary<int, SimulatedProcess> _all = new();
    private static readonly Config _defaults = ConfigurationFactory.ParseString(
            $$"""
            akka {
              loggers = []
              stdout-loglevel = off
              log-dead-letters = off
              coordinated-shutdown { run-by-clr-shutdown-hook = off, run-by-actor-system-terminate = off, exit-clr = off, default-phase-timeout = 60s }
              scheduler.implementation = "EcomStream.Simulation.SimulationScheduler, EcomStream.Simulation"
              actor.default-dispatcher { executor = "EcomStream.Simulation.SimulationExecutorConfigurator, EcomStream.Simulation", throughput = 1 }
              actor.internal-dispatcher { executor = "EcomStream.Simulation.SimulationExecutorConfigurator, EcomStream.Simulation", throughput = 1 }
              stream.materializer.blocking-io-dispatcher = akka.actor.default-dispatcher
              actor.default-blocking-io-dispatcher { type = Dispatcher, executor = "EcomStream.Simulation.SimulationExecutorConfigurator, EcomStream.Simulation", throughput = 1 }
            }
            ecomstream.shard-dispatcher { executor = "EcomStream.Simulation.SimulationExecutorConfigurator, EcomStream.Simulation", throughput = 1 }
            ecomstream.io-dispatcher { executor = "EcomStream.Simulation.SimulationExecutorConfigurator, EcomStream.Simulation", throughput = 1 }
            """)
        .WithFallback(EcomStreamSettings.Reference);

    private static int _lastId;

    private readonly SimulationLoop _loop;
    // By name: actors reach it in an order that depends on hash codes of strings, which differ from process to process.
    private readonly List<(string Name, IRunnable Run)> _ready = [];
    private readonly Dictionary<IRunnable, string> _names = [];
    private readonly int _id = Interlocked.Increment(ref _lastId);

    /// <summary>Starts a process.</summary>
    /// <param name="loop">What runs it.</param>
    /// <param name="hocon">Its settings.</param>
    /// <param name="clockOffset">Its clock less the world's, microseconds.</param>
    public SimulatedProcess(SimulationLoop loop, Config hocon, long clockOffset)
    {
        _loop = loop;
        ClockOffset = clockOffset;
        _all[_id] = this;
        loop.Add(this);
        var config = ConfigurationFactory.ParseString(string.Create(CultureInfo.InvariantCulture, $"{Key} = {_id}"))
            .WithFallback(hocon)
            .WithFallback(_defaults);
        System = ActorSystem.Create("sim", config);
        System.EventStream.Subscribe(new LogRef(this), typeof(LogEvent));
    }

    /// <summary>The loop.</summary>
    public SimulationLoop Loop => _loop;

    /// <summary>Its actors.</summary>
    public ActorSystem System { get; }

    /// <summary>Whether it has crashed or ended.</summary>
    public bool IsGone { get; private set; }

    /// <summary>It does nothing before this time, microseconds.</summary>
    public long PausedUntil { get; set; }

    /// <summary>Its clock less the world's, microseconds.</summary>
    public long ClockOffset { get; set; }

    /// <summary>Whether something is ready to run.</summary>
    public bool HasReady => _ready.Count > 0;

    /// <summary>Errors and warnings that it logged.</summary>
    public List<string> Problems { get; } = [];

    internal static SimulatedProcess Of(Config config) => _all[config.GetInt(Key)];

    /// <summary>Ends it at once.</summary>
    public void Crash()
    {
        IsGone = true;
        _ready.Clear();
        _loop.Remove(this);
        _all.TryRemove(_id, out _);
    }

    /// <summary>Runs one of what is ready.</summary>
    public void RunOne()
    {
        var index = _ready.Count == 1 ? 0 : _loop.Random.Next(_ready.Count);
        var (name, run) = _ready[index];
        _loop.Trace.Run(_loop.Now, index, _ready.Count, name);
        _ready.RemoveAt(index);
        run.Run();
    }

    internal void Enqueue(IRunnable run)
    {
        if (IsGone)
        {
            return;
        }

        var name = Name(run);
        var index = _ready.Count;
        while (index > 0 && string.CompareOrdinal(_ready[index - 1].Name, name) > 0)
        {
            index--;
        }

        _ready.Insert(index, (name, run));
    }

    internal void Schedule(TimeSpan delay, TimeSpan? interval, Action action, ICancelable? cancelable) =>
        _loop.After(
            (long)Math.Ceiling(delay.TotalMicroseconds),
            "timer",
            () =>
            {
                if (cancelable is { IsCancellationRequested: true })
                {
                    return;
                }

                if (interval is { } again)
                {
                    Schedule(again, interval, action, cancelable);
                }

                action();
            },
            this);

    private string Name(IRunnable run)
    {
        if (!_names.TryGetValue(run, out var name))
        {
            name = run is Mailbox mailbox
                // Akka numbers these in the whole process, not in the actor system.
                ? Numbered().Replace(Cell(mailbox).Self.Path.ToStringWithoutAddress(), "$1")
                : run.GetType().Name;
            if (run is Mailbox)
            {
                _names.Add(run, name);
            }
        }

        return name;
    }

    [GeneratedRegex(@"(StreamSupervisor|EventStreamUnsubscriber)-\d+")]
    private static partial Regex Numbered();

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_Actor")]
    private static extern ActorCell Cell(Mailbox mailbox);

    // Takes log events where they are published, without an actor of its own.
    private sealed class LogRef(SimulatedProcess process) : MinimalActorRef
    {
        public override ActorPath Path { get; } = new RootActorPath(Address.AllSystems) / "log";

        public override IActorRefProvider Provider => process.System is ExtendedActorSystem extended ? extended.Provider : throw new NotSupportedException();

        protected override void TellInternal(object message, IActorRef sender)
        {
            if (message is LogEvent entry)
            {
                var level = entry.LogLevel();
                if (process._loop.Trace.HasLines)
                {
                    process._loop.Trace.Note(process._loop.Now, $"{level.ToString().ToLowerInvariant()}: {entry.Message}");
                }

                if (level >= LogLevel.WarningLevel)
                {
                    process.Problems.Add($"{Trace.Time(process._loop.Now)} {level}: {entry.Message} {entry.Cause}");
                }
            }
        }
    }
}
