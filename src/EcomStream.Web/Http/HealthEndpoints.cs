using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.Web;

/// <summary>/health/live and /health/ready.</summary>
internal static class HealthEndpoints
{
    /// <summary>Maps them.</summary>
    public static void Map(IEndpointRouteBuilder endpoints, Func<HealthReport> report)
    {
        // A process whose pipeline has failed does nothing any more: it is to be started again.
        endpoints.MapGet("/health/live", () =>
        {
            var pipeline = report().Entries.FirstOrDefault(entry => entry.Name == "pipeline");
            var isDead = pipeline is { State: HealthState.Failed } && pipeline.Reason.StartsWith("The pipeline has failed", StringComparison.Ordinal);
            return Json(new { status = isDead ? "failed" : "live", reason = isDead ? pipeline!.Reason : null }, !isDead);
        });
        endpoints.MapGet("/health/ready", () =>
        {
            var health = report();
            return Json(Describe(health), health.IsReady);
        });
    }

    /// <summary>A report as it is sent.</summary>
    public static object Describe(HealthReport report) => new
    {
        status = report.State switch { HealthState.Ok => "ready", HealthState.Degraded => "degraded", _ => "not-ready" },
        checks = report.Entries.Select(entry => new { name = entry.Name, state = Text(entry.State), reason = entry.Reason }),
    };

    /// <summary>ok, degraded or failed.</summary>
    public static string Text(HealthState state) => state switch { HealthState.Ok => "ok", HealthState.Degraded => "degraded", _ => "failed" };

    private static IResult Json(object body, bool isGood) =>
        Results.Json(body, Answers.Json, statusCode: isGood ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
}
