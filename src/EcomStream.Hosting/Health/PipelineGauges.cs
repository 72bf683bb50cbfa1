using System.Diagnostics.Metrics;

namespace EcomStream.Hosting;

/// <summary>What the monitor knows, as gauges of the meter <c>EcomStream.Hosting</c>.</summary>
internal sealed class PipelineGauges : IDisposable
{
    /// <summary>The name of the meter.</summary>
    public const string MeterName = "EcomStream.Hosting";

    private readonly Meter _meter = new(MeterName);

    public PipelineGauges(PipelineMonitor monitor)
    {
        _meter.CreateObservableGauge(
            "ecomstream.health", () => monitor.Report.Entries.Select(entry => new Measurement<int>((int)entry.State, new KeyValuePair<string, object?>("check", entry.Name))),
            "{state}", "Result of each health check: 0 ok, 1 degraded, 2 failed.");
        _meter.CreateObservableGauge(
            "ecomstream.ready", () => monitor.Report.IsReady ? 1 : 0, "{state}", "Whether the process is ready: 1, or 0 when a check has failed.");
        Subscription("ecomstream.subscription.reading", "{state}", "Whether the streams of a subscription are open: 1 or 0.", seen => seen.IsReading ? 1 : 0);
        Subscription("ecomstream.subscription.outstanding", "{message}", "Messages received and not settled.", seen => seen.Outstanding);
        Subscription("ecomstream.subscription.outstanding_bytes", "By", "Bytes of the messages received and not settled.", seen => seen.OutstandingBytes);
        Subscription("ecomstream.subscription.backlog", "{message}", "Messages published and not acked; absent when the broker does not report it.", seen => seen.Backlog);
        Subscription(
            "ecomstream.subscription.backlog.age", "s", "Age of the oldest message that is known to be unacked; absent without one.",
            seen => seen.BacklogAge?.TotalSeconds);
        _meter.CreateObservableGauge(
            "ecomstream.disk.free",
            () => monitor.Observation.FreeDisk is { } free ? [new Measurement<long>(free)] : Array.Empty<Measurement<long>>(),
            "By", "Free space on the disk of the data folder; absent when no data is kept there.");

        void Subscription(string name, string unit, string description, Func<SubscriptionObservation, double?> value) =>
            _meter.CreateObservableGauge(
                name,
                () => monitor.Observation.Subscriptions
                    .Select(seen => (seen.Name, Value: value(seen)))
                    .Where(seen => seen.Value is not null)
                    .Select(seen => new Measurement<double>(seen.Value!.Value, new KeyValuePair<string, object?>("messaging.destination.subscription.name", seen.Name))),
                unit, description);
    }

    public void Dispose() => _meter.Dispose();
}
