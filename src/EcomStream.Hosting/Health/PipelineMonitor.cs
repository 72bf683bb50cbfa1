using EcomStream.Actors;
using EcomStream.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>
/// Observes the pipeline of a host: once a second its counters, and every <c>ecomstream.health.check-interval</c> the
/// store and the broker. Health checks, gauges and the dashboard read what it knows; they cause no requests of their own.
/// </summary>
internal sealed class PipelineMonitor(
    HostSettings settings, PipelineService service, PipelineCounters counters, ILogger<PipelineMonitor> logger, TimeProvider time)
    : IHostedLifecycleService, IAsyncDisposable
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Dictionary<string, Probe> _probes = [];
    private Task _running = Task.CompletedTask;
    private volatile PipelineObservation _observation = new();
    private volatile bool _isStopping;
    private bool _wasReady;

    /// <summary>What the pipeline has counted.</summary>
    public PipelineCounters Counters => counters;

    /// <summary>The last hour.</summary>
    public FlowHistory History { get; } = new(counters, time);

    /// <summary>What is known of the pipeline.</summary>
    public PipelineObservation Observation => _observation;

    /// <summary>How well it works.</summary>
    public HealthReport Report => HealthRules.Evaluate(_observation, settings.Operations);

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _running = Task.WhenAll(RunAsync(Second, _ => Tick()), RunAsync(settings.Operations.CheckInterval, CheckAsync));
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        _isStopping = true;
        Observe();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppedAsync(CancellationToken cancellationToken) => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        // Never disposed itself: the container disposes this once for each way in which it is registered.
        await _stopping.CancelAsync();
        await _running;
    }

    private async Task RunAsync(TimeSpan interval, Func<CancellationToken, Task> work)
    {
        var stop = _stopping.Token;
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            do
            {
                try
                {
                    await work(stop);
                }
                catch (Exception unexpected) when (!stop.IsCancellationRequested)
                {
                    logger.LogError(unexpected, "Observing the pipeline failed: {Error}", unexpected.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException)
        {
            // The host stops.
        }
    }

    private Task Tick()
    {
        History.Tick();
        Observe();
        return Task.CompletedTask;
    }

    private async Task CheckAsync(CancellationToken stop)
    {
        if (service.PipelineOrNull is not { Started.IsCompletedSuccessfully: true, Completion.IsCompleted: false } pipeline || service.ResourcesOrNull is not { } resources)
        {
            return;
        }

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stop);
        timeout.CancelAfter(ProbeTimeout);
        await Task.WhenAll(
            resources.Subscriptions.Select(subscription => ProbeAsync(subscription, timeout.Token)).Append(CheckStoreAsync(resources, timeout.Token)));
        Observe();
        var report = Report;
        if (report.IsReady != _wasReady && !_isStopping)
        {
            _wasReady = report.IsReady;
            if (report.IsReady)
            {
                logger.LogInformation("The process is ready");
            }
            else
            {
                logger.LogWarning("The process is not ready: {Reasons}", string.Join(" ", report.Problems.Select(problem => problem.Reason)));
            }
        }
    }

    // The store records the outcome itself.
    private static async Task CheckStoreAsync(PipelineResources resources, CancellationToken timeout)
    {
        try
        {
            await resources.Ports.Store.ReadAsync([0], timeout);
        }
        catch (Exception)
        {
            // It is known to the store's condition.
        }
    }

    private async Task ProbeAsync(ISubscription subscription, CancellationToken timeout)
    {
        Probe probe;
        try
        {
            probe = new Probe(await subscription.ProbeAsync(timeout), null);
        }
        catch (Exception failed)
        {
            probe = new Probe(null, timeout.IsCancellationRequested ? $"no answer within {ProbeTimeout.TotalSeconds:0} s" : failed.Message);
        }

        lock (_probes)
        {
            _probes[subscription.Name] = probe;
        }
    }

    private void Observe()
    {
        var pipeline = service.PipelineOrNull;
        if (pipeline is null || service.ResourcesOrNull is not { } resources)
        {
            _observation = new PipelineObservation
            {
                IsStopping = _isStopping,
                HasEnded = pipeline?.Completion.IsCompletedSuccessfully ?? false,
                Failure = Failure(pipeline),
            };
            return;
        }

        var status = pipeline.Status;
        _observation = new PipelineObservation
        {
            IsCreated = true,
            IsStarted = pipeline.Started.IsCompletedSuccessfully,
            IsStopping = _isStopping,
            HasEnded = pipeline.Completion.IsCompletedSuccessfully,
            Failure = Failure(pipeline),
            Store = resources.StoreCondition,
            Subscriptions = [.. resources.Subscriptions.Select(subscription => Observe(subscription, pipeline.SinceLastReceived(subscription.Name)))],
            Watermark = status.OrdersWatermark,
            WaitingOrders = status.WaitingOrders,
            FreeDisk = FreeDisk(),
        };
    }

    private SubscriptionObservation Observe(ISubscription subscription, TimeSpan sinceLastReceived)
    {
        Probe? probe;
        lock (_probes)
        {
            probe = _probes.GetValueOrDefault(subscription.Name);
        }

        var (status, backlog) = (subscription.Status, probe?.Answer?.Backlog);
        var now = Timestamps.Micros(time.GetUtcNow());
        var oldest = backlog is { UnackedMessages: > 0 } known ? known.OldestPublishTimeMicros : backlog is null ? subscription.OldestOutstanding()?.PublishTimeMicros : null;
        return new SubscriptionObservation
        {
            Name = subscription.Name,
            IsReading = status.IsReading,
            Outstanding = status.OutstandingMessages,
            OutstandingBytes = status.OutstandingBytes,
            IsFull = status.IsFull,
            SinceLastReceived = sinceLastReceived,
            Backlog = backlog?.UnackedMessages,
            Undelivered = backlog is { } b ? Math.Max(0, b.UnackedMessages - b.LeasedMessages) : null,
            BacklogAge = oldest is { } micros ? TimeSpan.FromMicroseconds(Math.Max(0, now - micros)) : null,
            ProbeError = probe?.Error,
        };
    }

    private long? FreeDisk()
    {
        if (settings.StoreKind != StoreKind.Sqlite && !settings.RunsBroker)
        {
            return null;
        }

        try
        {
            return new DriveInfo(Path.GetFullPath(settings.DataDirectory)).AvailableFreeSpace;
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static string? Failure(EcomStreamPipeline? pipeline) =>
        pipeline is { Completion: { IsFaulted: true, Exception: { } failure } } ? failure.GetBaseException().Message : null;

    private sealed record Probe(SubscriptionProbe? Answer, string? Error);
}
