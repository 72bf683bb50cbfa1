using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The running join of one process: its status, its end, and the way to drain it. Its lifecycle belongs to its actor:
/// when the actor stops, because the pipeline was drained, has failed or the actor system ends, it releases everything.
/// </summary>
public sealed class EcomStreamPipeline : IAsyncDisposable
{
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IReadOnlyList<SubscriptionMonitor> _monitors;
    private IActorRef _actor = ActorRefs.Nobody;

    private EcomStreamPipeline(
        string name, EcomStreamSettings settings, EcomStreamPorts ports, TimeProvider time, Func<EcomStreamPipeline, PipelineShards> shards)
    {
        Name = name;
        Settings = settings;
        Ports = ports;
        Time = time;
        Metrics = new EcomStreamMetrics(name);
        var (clock, clockLock) = (new BrokerClock(), new Lock());
        _monitors = [.. ports.Subscriptions.Select(s => new SubscriptionMonitor(s, clock, clockLock, settings.WatermarkIdle, time))];
        Shards = shards(this);
        Metrics.Observe(() => Shards.WaitingOrders, Shards.Watermark, time);
    }

    /// <summary>The name of its actor, and the tag <c>ecomstream.pipeline</c> of its metrics.</summary>
    public string Name { get; }

    /// <summary>The settings it runs with.</summary>
    public EcomStreamSettings Settings { get; }

    /// <summary>Its counters.</summary>
    public EcomStreamMetrics Metrics { get; }

    /// <summary>Completes when the store is open and both subscriptions are being read.</summary>
    public Task Started => _started.Task;

    /// <summary>Completes when it has been drained; fails, with the reason, when it cannot go on.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Its current work.</summary>
    public PipelineStatus Status => new(
        Ports.Orders.Status,
        Ports.Payments.Status,
        Ports.DeadLetters?.Status,
        Shards.WaitingOrders,
        _monitors.Min(monitor => monitor.SinceLastReceived),
        Shards.Watermark(),
        _monitors.All(monitor => monitor.Read().IsCaughtUp));

    /// <summary>Time since a message of one subscription was last received, or since the start.</summary>
    /// <param name="subscription">Its name, as configured.</param>
    /// <exception cref="InvalidOperationException">The pipeline does not read it.</exception>
    public TimeSpan SinceLastReceived(string subscription) => _monitors.First(monitor => monitor.Name == subscription).SinceLastReceived;

    internal EcomStreamPorts Ports { get; }

    internal TimeProvider Time { get; }

    internal PipelineShards Shards { get; }

    /// <summary>The monitors of the orders, the payments and, where there is one, the dead-letter subscription.</summary>
    internal IReadOnlyList<SubscriptionMonitor> Monitors => _monitors;

    /// <summary>
    /// Starts the pipeline in an actor system. The defaults of <see cref="EcomStreamSettings.Reference"/> are added to
    /// the system's configuration. It drains in the coordinated shutdown of that system, phase service-requests-done.
    /// </summary>
    /// <param name="system">The actor system.</param>
    /// <param name="ports">What it reads from and writes to.</param>
    /// <param name="time">The clock; that of the system's scheduler when left out.</param>
    /// <param name="name">The name of its actor; two pipelines of one system need two names.</param>
    /// <exception cref="Akka.Configuration.ConfigurationException">A setting is wrong or unknown; the message names its path.</exception>
    /// <exception cref="InvalidActorNameException">The system has a pipeline of that name.</exception>
    public static EcomStreamPipeline Start(ActorSystem system, EcomStreamPorts ports, TimeProvider? time = null, string name = "ecomstream") =>
        Start(system, ports, time, name, pipeline => new LocalShards(pipeline));

    /// <summary>Starts a pipeline with other shards than local ones.</summary>
    internal static EcomStreamPipeline Start(
        ActorSystem system, EcomStreamPorts ports, TimeProvider? time, string name, Func<EcomStreamPipeline, PipelineShards> shards)
    {
        system.Settings.InjectTopLevelFallback(EcomStreamSettings.Reference);
        var settings = EcomStreamSettings.Read(system.Settings.Config);
        var pipeline = new EcomStreamPipeline(name, settings, ports, time ?? new SchedulerTimeProvider(system.Scheduler), shards);
        pipeline._actor = system.ActorOf(PipelineActor.Props(pipeline), name);
        var shutdown = CoordinatedShutdown.Get(system);
        var timeout = shutdown.Timeout(CoordinatedShutdown.PhaseServiceRequestsDone);
        if (timeout < settings.ShutdownTimeout)
        {
            system.Log.Info(
                "akka.coordinated-shutdown.phases.service-requests-done.timeout is {PhaseTimeout}, less than ecomstream.shutdown-timeout, {ShutdownTimeout}: a coordinated shutdown does not wait longer than that for the pipeline to drain",
                timeout, settings.ShutdownTimeout);
        }

        shutdown.AddTask(
            CoordinatedShutdown.PhaseServiceRequestsDone,
            $"drain-{name}",
            async () =>
            {
                if (shutdown.ShutdownReason is CoordinatedShutdown.ClusterDowningReason)
                {
                    pipeline.MarkFailed(new NodeRemovedException());
                }

                await pipeline.DrainAsync();
                return Akka.Done.Instance;
            });
        return pipeline;
    }

    /// <summary>
    /// Ends the pipeline as failed: the sources stop, and messages in flight go back to their subscriptions.
    /// </summary>
    /// <param name="reason">Why it cannot go on; <see cref="Completion"/> fails with it.</param>
    public void Fail(Exception reason) => _actor.Tell(new FailPipeline(reason), ActorRefs.NoSender);

    /// <summary>
    /// Stops the sources, finishes and acks what is in flight within <see cref="EcomStreamSettings.ShutdownTimeout"/>,
    /// and gives the rest back to the subscriptions. Waiting payments get their rows. Completes when the pipeline has
    /// ended, also when it had failed; further calls return the same task.
    /// </summary>
    public Task DrainAsync()
    {
        _actor.Tell(DrainPipeline.Instance, ActorRefs.NoSender);
        return _ended.Task;
    }

    /// <summary>Returns what the actor of an order knows; null when the order has no live actor.</summary>
    /// <param name="orderId">The order.</param>
    /// <param name="timeout">How long the answer may take.</param>
    /// <exception cref="AskTimeoutException">The pipeline has ended or is too busy to answer in time.</exception>
    public async Task<OrderSnapshot?> InspectAsync(long orderId, TimeSpan timeout) =>
        (await _actor.Ask<OrderInspected>(replyTo => new InspectOrder(orderId, replyTo), timeout, CancellationToken.None)).Snapshot;

    /// <summary>Drains it.</summary>
    public async ValueTask DisposeAsync() => await DrainAsync();

    internal void MarkStarted() => _started.TrySetResult();

    internal void MarkFailed(Exception failure)
    {
        _started.TrySetException(failure);
        _completion.TrySetException(failure);
    }

    /// <summary>The actor has stopped: the pipeline was drained, has failed, or the system ended under it.</summary>
    internal void MarkEnded()
    {
        _started.TrySetCanceled();
        _completion.TrySetResult();
        Metrics.Dispose();
        _ended.TrySetResult();
    }
}
