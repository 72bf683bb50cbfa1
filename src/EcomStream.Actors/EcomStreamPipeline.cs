using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>The running join of one process: what it has under way, how it ended, and how to drain it.</summary>
public sealed class EcomStreamPipeline : IDisposable
{
    private static readonly TimeSpan DrainPoll = TimeSpan.FromMilliseconds(20);

    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _drainLock = new();
    private Task _streams = Task.CompletedTask;
    private Task? _drain;
    private long _lastReceived;

    private EcomStreamPipeline(EcomStreamSettings settings, EcomStreamPorts ports, TimeProvider time)
    {
        Settings = settings;
        Ports = ports;
        Time = time;
        Watermark = new OrdersWatermark(time, settings.WatermarkIdle);
        _lastReceived = time.GetTimestamp();
        Metrics.Observe(() => Status, time);
    }

    /// <summary>The settings it runs with.</summary>
    public EcomStreamSettings Settings { get; }

    /// <summary>What it counts.</summary>
    public EcomStreamMetrics Metrics { get; } = new();

    /// <summary>Completes when the store is open and both subscriptions are being read.</summary>
    public Task Started => _started.Task;

    /// <summary>Completes when it has been drained; fails when it cannot go on, with the reason.</summary>
    public Task Completion => _completion.Task;

    /// <summary>What it has under way now.</summary>
    public PipelineStatus Status => new(
        Ports.Orders.Status,
        Ports.Payments.Status,
        Ports.DeadLetters?.Status,
        Index.Waiting,
        Time.GetElapsedTime(Volatile.Read(ref _lastReceived)),
        Watermark.Read(Ports.Orders.Status));

    internal EcomStreamPorts Ports { get; }

    internal TimeProvider Time { get; }

    internal UnmatchedIndex Index { get; } = new();

    internal OrdersWatermark Watermark { get; }

    internal OrderRouter Router { get; } = new();

    internal IActorRef? Sink { get; set; }

    internal CancellationToken Stopping => _stopping.Token;

    /// <summary>
    /// Starts the pipeline in an actor system, whose configuration holds or falls back to
    /// <see cref="EcomStreamSettings.Reference"/>. It drains in the coordinated shutdown of that system.
    /// </summary>
    /// <param name="system">The actor system.</param>
    /// <param name="ports">What it reads from and writes to.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="Akka.Configuration.ConfigurationException">A setting is wrong; the message names its path.</exception>
    public static EcomStreamPipeline Start(ActorSystem system, EcomStreamPorts ports, TimeProvider? time = null)
    {
        var pipeline = new EcomStreamPipeline(EcomStreamSettings.Read(system.Settings.Config), ports, time ?? TimeProvider.System);
        system.ActorOf(Props.Create(() => new PipelineActor(pipeline)), "ecomstream");
        CoordinatedShutdown.Get(system).AddTask(
            CoordinatedShutdown.PhaseServiceRequestsDone,
            "drain-ecomstream",
            async () =>
            {
                await pipeline.DrainAsync();
                return Akka.Done.Instance;
            });
        return pipeline;
    }

    /// <summary>
    /// Stops the sources, finishes and acks what is in flight within <see cref="EcomStreamSettings.ShutdownTimeout"/>,
    /// and gives the rest back to the subscriptions. Waiting payments get their rows. Calling it again returns the
    /// same task.
    /// </summary>
    public Task DrainAsync()
    {
        lock (_drainLock)
        {
            return _drain ??= Drain();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping.Dispose();
        Metrics.Dispose();
    }

    internal void OrdersReceived(IReadOnlyList<Delivery> batch)
    {
        var oldest = long.MaxValue;
        for (var i = 0; i < batch.Count; i++)
        {
            oldest = Math.Min(oldest, batch[i].PublishTimeMicros);
        }

        Watermark.Received(oldest);
        Received(batch);
    }

    internal void Received(IReadOnlyList<Delivery> batch) =>
        Volatile.Write(ref _lastReceived, Time.GetTimestamp());

    internal void MarkStarted(IReadOnlyList<Task> streams)
    {
        _streams = Task.WhenAll(streams);
        _started.TrySetResult();
    }

    internal void Fail(Exception failure)
    {
        _started.TrySetException(failure);
        _completion.TrySetException(failure);
    }

    private async Task Drain()
    {
        await _stopping.CancelAsync();
        using var deadline = new CancellationTokenSource(Settings.ShutdownTimeout, Time);
        try
        {
            await _streams.WaitAsync(deadline.Token);
            while (Ports.Subscriptions.Any(subscription => subscription.Status.OutstandingMessages > 0))
            {
                Router.Broadcast(ParkAll.Instance);
                await Task.Delay(DrainPoll, Time, deadline.Token);
            }

            if (Sink is { } sink)
            {
                await sink.Ask<SinkDrained>(DrainSink.Instance, deadline.Token);
            }

            foreach (var subscription in Ports.Subscriptions)
            {
                await subscription.FlushAsync(deadline.Token);
            }
        }
        catch (Exception unfinished) when (unfinished is OperationCanceledException || _streams.IsFaulted)
        {
            // What is not finished in time is nacked below, and delivered to whoever reads next.
        }

        foreach (var subscription in Ports.Subscriptions)
        {
            await subscription.DisposeAsync();
        }

        _started.TrySetCanceled();
        _completion.TrySetResult();
    }
}

/// <summary>What a pipeline has under way.</summary>
/// <param name="Orders">The orders subscription.</param>
/// <param name="Payments">The payments subscription.</param>
/// <param name="DeadLetters">The subscription to heal from; null for none.</param>
/// <param name="WaitingOrders">Order ids with a payment that waits for the order.</param>
/// <param name="SinceLastReceived">Time since a message was last received, or since the start.</param>
/// <param name="WatermarkMicros">The watermark of the orders, microseconds since the Unix epoch; null while it is unknown.</param>
public readonly record struct PipelineStatus(
    SubscriptionStatus Orders,
    SubscriptionStatus Payments,
    SubscriptionStatus? DeadLetters,
    int WaitingOrders,
    TimeSpan SinceLastReceived,
    long? WatermarkMicros)
{
    /// <summary>Nothing is in flight and nothing waits, and nothing has come for so long.</summary>
    public bool IsIdleFor(TimeSpan time) =>
        Orders.IsReading && Payments.IsReading
        && Orders.OutstandingMessages == 0 && Payments.OutstandingMessages == 0
        && DeadLetters is null or { IsReading: true, OutstandingMessages: 0 }
        && WaitingOrders == 0
        && SinceLastReceived >= time;
}
