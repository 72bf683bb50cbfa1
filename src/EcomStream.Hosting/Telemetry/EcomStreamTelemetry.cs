using EcomStream.Actors;
using EcomStream.PubSub;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace EcomStream.Hosting;

/// <summary>EcomStream's metrics, traces and logs for OpenTelemetry.</summary>
internal static class EcomStreamTelemetry
{
    // Seconds; OpenTelemetry's default bounds are made for milliseconds.
    private static readonly double[] _latencyBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

    /// <summary>The meters of EcomStream, of the .NET runtime and of Kestrel.</summary>
    public static readonly IReadOnlyList<string> Meters =
    [
        EcomStreamMetrics.MeterName, "EcomStream.Hosting", "EcomStream.Cluster", "EcomStream.PubSub", "EcomStream.Cassandra", "EcomStream.Cql", "EcomStream.Sqlite",
        "System.Runtime",
    ];

    /// <summary>
    /// Exports over OTLP the signals whose endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT, or that of one signal:
    /// OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, ..._TRACES_ENDPOINT, ..._LOGS_ENDPOINT). All other OTEL_* variables of the
    /// OpenTelemetry SDK apply.
    /// </summary>
    /// <param name="services">The services of the host.</param>
    /// <param name="traceRatio">Share of traces that are recorded, unless OTEL_TRACES_SAMPLER is set.</param>
    /// <param name="metrics">Adds another reader of the metrics, such as the Prometheus exporter; null for none.</param>
    public static void Add(IServiceCollection services, double traceRatio, Action<MeterProviderBuilder>? metrics)
    {
        var telemetry = services.AddOpenTelemetry().ConfigureResource(resource =>
        {
            resource.AddService("ecomstream", serviceVersion: typeof(EcomStreamTelemetry).Assembly.GetName().Version?.ToString(3));
            resource.AddEnvironmentVariableDetector();
        });
        if (metrics is not null || Exports("METRICS"))
        {
            telemetry.WithMetrics(builder =>
            {
                builder.AddMeter([.. Meters]).AddProcessInstrumentation();
                builder.AddView("ecomstream.publish_to_row.duration", new ExplicitBucketHistogramConfiguration { Boundaries = _latencyBounds });
                metrics?.Invoke(builder);
                if (Exports("METRICS"))
                {
                    builder.AddOtlpExporter();
                }
            });
        }

        if (Exports("TRACES"))
        {
            telemetry.WithTracing(builder =>
            {
                builder.AddSource("EcomStream.PubSub");
                if (Environment.GetEnvironmentVariable("OTEL_TRACES_SAMPLER") is null or "")
                {
                    // The client decides before it creates a span, by the trace id alone: a publisher that records every span
                    // must not make every message expensive here.
                    PubSubTracing.SampleRatio = traceRatio;
                    builder.SetSampler(new AlwaysOnSampler());
                }

                builder.AddOtlpExporter();
            });
        }

        if (Exports("LOGS"))
        {
            telemetry.WithLogging(builder => builder.AddOtlpExporter(), options => options.IncludeFormattedMessage = true);
        }
    }

    private static bool Exports(string signal) =>
        (IsSet("OTEL_EXPORTER_OTLP_ENDPOINT") || IsSet($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))
        && Environment.GetEnvironmentVariable($"OTEL_{signal}_EXPORTER") is (null or "" or "otlp");

    private static bool IsSet(string variable) => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable));
}
