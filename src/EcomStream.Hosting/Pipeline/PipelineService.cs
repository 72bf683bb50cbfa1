using Akka.Actor;
using EcomStream.Actors;
using EcomStream.Cluster;
using EcomStream.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>
/// Runs the pipeline in a generic host: opens its resources before the actor system starts, and closes them after the
/// actor system has drained it. When the start of the host fails, disposing the host closes them.
/// </summary>
internal sealed class PipelineService(
    HostSettings settings, EcomStreamHostingOptions options, ILoggerFactory loggers, IHostApplicationLifetime lifetime)
    : IHostedLifecycleService, IAsyncDisposable
{
    private readonly ILogger _logger = loggers.CreateLogger(typeof(EcomStreamPipeline).FullName!);
    private PipelineResources? _resources;
    private EcomStreamPipeline? _pipeline;

    /// <summary>The running pipeline.</summary>
    /// <exception cref="InvalidOperationException">The host has not started.</exception>
    public EcomStreamPipeline Pipeline => _pipeline ?? throw NotStarted();

    /// <summary>The pipeline; null before the host has started it.</summary>
    public EcomStreamPipeline? PipelineOrNull => _pipeline;

    /// <summary>What the pipeline uses; null before the start and after the end of the host.</summary>
    public PipelineResources? ResourcesOrNull => _resources;

    /// <summary>What the pipeline uses.</summary>
    /// <exception cref="InvalidOperationException">The host has not started.</exception>
    public PipelineResources Resources => _resources ?? throw NotStarted();

    /// <summary>Starts the pipeline in the actor system of the host.</summary>
    public void StartPipeline(ActorSystem system)
    {
        _pipeline = settings.Cluster.Enabled
            ? EcomStreamCluster.Start(system, settings.Cluster, Resources.Ports)
            : EcomStreamPipeline.Start(system, Resources.Ports);
        _ = ReportFailureAsync(_pipeline);
        _ = EndWithoutOwnershipAsync(_pipeline, Resources.OwnershipLost);
    }

    public async Task StartingAsync(CancellationToken cancellationToken) =>
        _resources = await PipelineResources.OpenAsync(settings, loggers, cancellationToken);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppedAsync(CancellationToken cancellationToken) => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        if (_pipeline is not null)
        {
            await _pipeline.DrainAsync();
        }

        if (Interlocked.Exchange(ref _resources, null) is { } resources)
        {
            await resources.DisposeAsync();
        }
    }

    private static InvalidOperationException NotStarted() =>
        new("The EcomStream pipeline has not started. Start the host first; resolve EcomStreamPipeline after that.");

    private static async Task EndWithoutOwnershipAsync(EcomStreamPipeline pipeline, Task lost)
    {
        try
        {
            await lost;
        }
        catch (SubscriptionTakenException taken)
        {
            pipeline.Fail(taken);
        }
    }

    private async Task ReportFailureAsync(EcomStreamPipeline pipeline)
    {
        try
        {
            await pipeline.Completion;
        }
        catch (Exception failure)
        {
            // Its actor has logged it, with the stack trace where that helps.
            _logger.LogCritical("The EcomStream pipeline {Pipeline} has failed: {Error}", pipeline.Name, failure.Message);
            if (options.OnFailure == PipelineFailureAction.StopHost)
            {
                lifetime.StopApplication();
            }
        }
    }
}
