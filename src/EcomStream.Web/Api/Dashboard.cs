using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace EcomStream.Web;

/// <summary>The dashboard of one pipeline: its pages and the API under them.</summary>
internal sealed class Dashboard(
    HostSettings settings, HttpSettings http, PipelineMonitor monitor, PipelineService service, RecentLogs logs, ILoggerFactory loggers)
{
    /// <summary>Maps its endpoints.</summary>
    public void Map(IEndpointRouteBuilder endpoints)
    {
        Pages.Map(endpoints);
        new FlowApi(settings, http, monitor, service).Map(endpoints);
        new ClusterApi(service).Map(endpoints);
        new OrderApi(settings, service).Map(endpoints);
        new DeadLetterApi(settings, http, service, loggers.CreateLogger<DeadLetterApi>()).Map(endpoints);
        endpoints.MapGet("/api/settings", () => Answers.Ok(new
        {
            settings = EffectiveSettings.Of(settings, Environment.GetEnvironmentVariables())
                .Select(setting => new { path = setting.Path, value = setting.Value, origin = setting.Origin, isDefault = setting.IsDefault }),
        }));
        endpoints.MapGet("/api/logs", () => Answers.Ok(new
        {
            lines = logs.Lines.Select(line => new
            {
                number = line.Number,
                at = line.At.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'"),
                level = line.Level.ToString().ToLowerInvariant(),
                category = line.Category,
                message = CardMask.Apply(line.Message),
            }),
        }));
    }
}
