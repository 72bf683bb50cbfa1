using Akka.Configuration;
using Akka.Dispatch;

namespace EcomStream.Actors;

/// <summary>Makes <see cref="ShardExecutor"/>s from the configuration: <c>executor = "EcomStream.Actors.ShardExecutorConfigurator, EcomStream.Actors"</c>.</summary>
/// <param name="config">The dispatcher's section.</param>
/// <param name="prerequisites">What Akka gives to dispatchers.</param>
public sealed class ShardExecutorConfigurator(Config config, IDispatcherPrerequisites prerequisites)
    : ExecutorServiceConfigurator(config, prerequisites)
{
    /// <inheritdoc/>
    public override ExecutorService Produce(string id) => new ShardExecutor(id);
}

/// <summary>
/// Runs on the thread pool, and keeps together what belongs together: an actor that is scheduled by another actor of
/// this executor runs next on the same thread. A supervisor hands a batch to some hundred order actors, each of which
/// has one message; run one after the other where the batch is in the cache, they cost a fraction of as many work
/// items of the pool. Parallelism comes from the shards.
/// </summary>
internal sealed class ShardExecutor(string id) : ExecutorService(id)
{
    [ThreadStatic]
    private static Queue<IRunnable>? _local;

    private static readonly Action<IRunnable> RunAll = Run;

    public override void Execute(IRunnable run)
    {
        if (_local is { } local)
        {
            local.Enqueue(run);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(RunAll, run, preferLocal: false);
        }
    }

    public override void Shutdown()
    {
    }

    private static void Run(IRunnable first)
    {
        var local = _local = Cached ??= new Queue<IRunnable>();
        try
        {
            first.Run();
            while (local.TryDequeue(out var next))
            {
                next.Run();
            }
        }
        finally
        {
            _local = null;

            // A run that threw leaves the rest to the pool.
            while (local.TryDequeue(out var rest))
            {
                ThreadPool.UnsafeQueueUserWorkItem(RunAll, rest, preferLocal: false);
            }
        }
    }

    [ThreadStatic]
    private static Queue<IRunnable>? Cached;
}
