using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace EcomStream.Cql;

/// <summary>
/// What is measured, once per request, which is one batch or one read, under OpenTelemetry's names for databases
/// (https://opentelemetry.io/docs/specs/semconv/database/database-metrics/).
/// </summary>
internal static class CqlMetrics
{
    private static readonly Meter Meter = new("EcomStream.Cql");

    /// <summary>From the first node that is asked to the answer, other nodes that are asked in between included.</summary>
    private static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "db.client.operation.duration",
        "s",
        "Duration of database client operations.",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] });

    private static readonly UpDownCounter<long> Active = Meter.CreateUpDownCounter<long>("db.client.active_requests", "{request}", "Requests under way.");

    /// <summary>A request is under way.</summary>
    public static void Began(string operation)
    {
        if (Active.Enabled)
        {
            Active.Add(1, Of(operation));
        }
    }

    /// <summary>A request has ended.</summary>
    /// <param name="operation">EXECUTE, BATCH or QUERY.</param>
    /// <param name="elapsed">How long it took.</param>
    /// <param name="failed">Why it failed; null for one that did not.</param>
    public static void Ended(string operation, TimeSpan elapsed, Exception? failed)
    {
        if (Active.Enabled)
        {
            Active.Add(-1, Of(operation));
        }

        if (Duration.Enabled)
        {
            var tags = Of(operation);
            if (failed is not null)
            {
                tags.Add("error.type", TypeOf(failed));
            }

            Duration.Record(elapsed.TotalSeconds, tags);
        }
    }

    private static TagList Of(string operation) => new() { { "db.system.name", "cassandra" }, { "db.operation.name", operation } };

    private static string TypeOf(Exception failed) => failed switch
    {
        CqlServerException server => server.Code.ToString(),
        CqlNoNodeException { Tried: [.., var last] } => TypeOf(last.Error),
        _ => failed.GetType().Name,
    };
}
