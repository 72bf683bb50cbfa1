using System.Text.Json;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.Web;

/// <summary>The state of the pipeline, once and as server-sent events, and its last hour.</summary>
internal sealed class FlowApi(HostSettings settings, HttpSettings http, PipelineMonitor monitor, PipelineService service)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    /// <summary>Maps its endpoints.</summary>
    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/api/flow", () => Answers.Ok(Flow()));
        endpoints.MapGet("/api/history", () => Answers.Ok(new { samples = monitor.History.Samples.Select(Describe) }));
        endpoints.MapGet("/api/live", (Delegate)LiveAsync);
    }

    // https://html.spec.whatwg.org/multipage/server-sent-events.html
    private async Task LiveAsync(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        using var timer = new PeriodicTimer(Interval);
        var stop = context.RequestAborted;
        try
        {
            await context.Response.WriteAsync("retry: 1000\n\n", stop);
            do
            {
                await context.Response.WriteAsync($"data: {JsonSerializer.Serialize(Flow(), Answers.Json)}\n\n", stop);
                await context.Response.Body.FlushAsync(stop);
            }
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException)
        {
            // The browser has left, or the server stops.
        }
    }

    private object Flow()
    {
        var (seen, report, counters) = (monitor.Observation, monitor.Report, monitor.Counters);
        return new
        {
            at = DateTimeOffset.UtcNow,
            status = report.State switch { HealthState.Ok => "ready", HealthState.Degraded => "degraded", _ => seen.IsStarted || seen.Failure is not null ? "not-ready" : "starting" },
            actions = http.Actions,
            problems = report.Problems.Select(problem => new { name = problem.Name, state = HealthEndpoints.Text(problem.State), reason = problem.Reason }),
            now = monitor.History.Now is { } now ? Describe(now) : null,
            totals = new
            {
                received = counters.Received, malformed = counters.Malformed, written = counters.Written, joined = counters.Joined,
                deadLettered = counters.DeadLettered, healed = counters.Healed, parked = counters.Parked,
            },
            subscriptions = seen.Subscriptions.Select(subscription => new
            {
                name = subscription.Name, reading = subscription.IsReading, outstanding = subscription.Outstanding, full = subscription.IsFull,
                backlog = subscription.Backlog, backlogAge = subscription.BacklogAge?.TotalSeconds,
            }),
            waitingOrders = seen.WaitingOrders,
            grace = settings.Pipeline.Grace.TotalSeconds,
            watermark = new
            {
                at = seen.Watermark.Micros is { } micros ? Answers.Time(micros) : null,
                lag = seen.Watermark.Micros is { } m ? Math.Max(0, (Timestamps.Micros(DateTimeOffset.UtcNow) - m) / 1e6) : (double?)null,
                hold = seen.Watermark.Hold == WatermarkHold.None ? null : seen.Watermark.ToString(),
                heldFor = seen.Watermark.HeldFor.TotalSeconds,
            },
            shards = settings.Pipeline.Shards,
            writers = settings.Pipeline.Writers,
            store = new { name = Stores.Describe(settings), kind = settings.StoreKind.ToString(), ok = seen.Store.Error is null },
            broker = service.ResourcesOrNull?.Broker?.Endpoint ?? settings.PubSub.Endpoint,
            embedded = settings.RunsBroker,
            deadLetterTopics = new[] { settings.Pipeline.PaymentsDeadLetterTopic, settings.Pipeline.OrdersDeadLetterTopic },
        };
    }

    private static object Describe(FlowSample sample) => new
    {
        at = sample.At.ToUnixTimeMilliseconds(),
        received = Math.Round(sample.Received, 1),
        written = Math.Round(sample.Written, 1),
        joined = Math.Round(sample.Joined, 1),
        deadLettered = Math.Round(sample.DeadLettered, 2),
        p50 = sample.P50 is { } p50 ? Math.Round(p50, 2) : (double?)null,
        p99 = sample.P99 is { } p99 ? Math.Round(p99, 2) : (double?)null,
    };
}
