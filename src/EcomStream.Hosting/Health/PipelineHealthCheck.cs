using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace EcomStream.Hosting;

/// <summary>One check of the pipeline as a health check of the host; it reports what the monitor knows.</summary>
internal sealed class PipelineHealthCheck(PipelineMonitor monitor, string name) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var entry = monitor.Report.Entries.First(entry => entry.Name == name);
        return Task.FromResult(new HealthCheckResult(
            entry.State switch
            {
                HealthState.Ok => HealthStatus.Healthy,
                HealthState.Degraded => HealthStatus.Degraded,
                _ => context.Registration.FailureStatus,
            },
            entry.Reason));
    }
}
