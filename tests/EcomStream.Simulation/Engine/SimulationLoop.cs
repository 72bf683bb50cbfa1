using System.Runtime.ExceptionServices;

namespace EcomStream.Simulation;

/// <summary>
/// Runs one simulation on one thread of the pool: what is ready, in an order that the seed chooses, and when nothing is
/// ready the next event of virtual time. Between two steps it lets the pool run what awaits left there.
/// </summary>
internal sealed class SimulationLoop : IThreadPoolWorkItem
{
    private readonly PriorityQueue<Event, (long At, long Number)> _events = new();
    private readonly List<SimulatedProcess> _processes = [];
    private readonly ManualResetEventSlim _ended = new();
    private readonly long _mostSteps;
    private Exception? _failure;
    private long _numbers;

    /// <summary>Makes a loop.</summary>
    /// <param name="seed">Decides every choice.</param>
    /// <param name="trace">Is told every step.</param>
    /// <param name="mostSteps">A simulation that takes more steps has failed.</param>
    public SimulationLoop(int seed, Trace trace, long mostSteps)
    {
        Random = new Random(seed);
        Trace = trace;
        _mostSteps = mostSteps;
    }

    /// <summary>Every choice of the simulation.</summary>
    public Random Random { get; }

    /// <summary>What happened.</summary>
    public Trace Trace { get; }

    /// <summary>Virtual time, microseconds since the start of the simulation.</summary>
    public long Now { get; private set; }

    /// <summary>Steps taken.</summary>
    public long Steps { get; private set; }

    /// <summary>How often, 0 to 1, time passes although something is ready to run: a slow machine.</summary>
    public double Slowness { get; set; }

    /// <summary>Whether the simulation is over.</summary>
    public bool IsOver { get; set; }

    /// <summary>Something is to happen in the world.</summary>
    /// <param name="delay">Microseconds from now.</param>
    /// <param name="what">For the trace.</param>
    /// <param name="run">What happens.</param>
    /// <param name="owner">The process it happens in: not at all when that is gone, later when it is paused.</param>
    public void After(long delay, string what, Action run, SimulatedProcess? owner = null) =>
        _events.Enqueue(new Event(what, run, owner), (Now + Math.Max(0, delay), ++_numbers));

    /// <summary>A process has started.</summary>
    public void Add(SimulatedProcess process) => _processes.Add(process);

    /// <summary>A process is gone.</summary>
    public void Remove(SimulatedProcess process) => _processes.Remove(process);

    /// <summary>Ends the simulation with a fault. The first one counts; actors may catch what is thrown in them.</summary>
    public void Fail(Exception fault)
    {
        _failure ??= fault;
        IsOver = true;
    }

    /// <summary>Runs until the simulation is over.</summary>
    /// <exception cref="SimulationFailedException">It does not end, or something failed.</exception>
    public void Run()
    {
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

        // The caller's thread is not the pool's, which runs everything: it has nothing to do meanwhile.
        _ended.Wait();
        if (_failure is not null)
        {
            ExceptionDispatchInfo.Throw(_failure);
        }
    }

    /// <summary>Takes steps until the pool has other work.</summary>
    public void Execute()
    {
        try
        {
            while (!IsOver)
            {
                if (ThreadPool.PendingWorkItemCount > 0)
                {
                    ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                    return;
                }

                Step();
            }
        }
        catch (Exception failure)
        {
            Fail(failure);
        }

        _ended.Set();
    }

    private void Step()
    {
        if (++Steps > _mostSteps)
        {
            throw new SimulationFailedException($"The simulation has not ended after {_mostSteps} steps, at {Trace.Time(Now)}.");
        }

        var process = RunnableProcess();
        if (process is not null && !(Slowness > 0 && Random.NextDouble() < Slowness && _events.Count > 0))
        {
            process.RunOne();
            return;
        }

        if (!_events.TryDequeue(out var next, out var due))
        {
            throw new SimulationFailedException("Nothing is left to happen, and the simulation is not over.");
        }

        Now = Math.Max(Now, due.At);
        switch (next.Owner)
        {
            case { IsGone: true }:
                break;
            case { } owner when owner.PausedUntil > Now:
                After(owner.PausedUntil - Now, next.What, next.Run, owner);
                break;
            default:
                Trace.Event(Now, next.What);
                next.Run();
                break;
        }
    }

    private SimulatedProcess? RunnableProcess()
    {
        foreach (var process in _processes)
        {
            if (process.HasReady && process.PausedUntil <= Now)
            {
                return process;
            }
        }

        return null;
    }

    private sealed record Event(string What, Action Run, SimulatedProcess? Owner);
}

/// <summary>A simulation has found a fault.</summary>
/// <param name="message">Which.</param>
internal sealed class SimulationFailedException(string message) : Exception(message);
