using System.Collections.Concurrent;
using Akka.Configuration;
using Akka.Dispatch;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Testing;

/// <summary>
/// Makes executors on the thread pool that count what is queued or runs, so that a test can wait until the actors of its
/// system have nothing left to do.
/// </summary>
/// <param name="config">The dispatcher's section.</param>
/// <param name="prerequisites">What Akka gives to dispatchers.</param>
public sealed class TrackingExecutorConfigurator(Config config, IDispatcherPrerequisites prerequisites)
    : ExecutorServiceConfigurator(config, prerequisites)
{
    internal const string Key = "akka.ecomstream-testing";

    internal static readonly ConcurrentDictionary<string, SystemUnderTest> Systems = new();

    /// <inheritdoc/>
    public override ExecutorService Produce(string id) =>
        new Executor(id, Systems[Prerequisites.Settings.Config.GetString(Key, "")]);

    private sealed class Executor(string id, SystemUnderTest system) : ExecutorService(id)
    {
        public override void Execute(IRunnable run)
        {
            system.Begin();
            ThreadPool.UnsafeQueueUserWorkItem(
                static item =>
                {
                    try
                    {
                        item.run.Run();
                    }
                    finally
                    {
                        item.system.End();
                    }
                },
                (run, system),
                preferLocal: false);
        }

        public override void Shutdown()
        {
        }
    }
}

/// <summary>The clock of one actor system, and how much its dispatchers have queued or run.</summary>
/// <param name="clock">The clock.</param>
internal sealed class SystemUnderTest(FakeTimeProvider clock)
{
    private int _running;
    private long _begun;

    /// <summary>The clock.</summary>
    public FakeTimeProvider Clock => clock;

    /// <summary>Whether nothing is queued and nothing runs.</summary>
    public bool IsIdle => Volatile.Read(ref _running) == 0;

    /// <summary>How much was begun so far.</summary>
    public long Begun => Volatile.Read(ref _begun);

    public void Begin()
    {
        Interlocked.Increment(ref _running);
        Interlocked.Increment(ref _begun);
    }

    public void End() => Interlocked.Decrement(ref _running);
}
