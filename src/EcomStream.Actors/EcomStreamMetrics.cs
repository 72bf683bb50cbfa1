using System.Diagnostics.Metrics;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// What the pipeline counts, under OpenTelemetry's naming conventions. Counted per batch, where it is decided;
/// exporters and displays only subscribe to the meter <see cref="MeterName"/>.
/// </summary>
public sealed class EcomStreamMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "EcomStream";

    private readonly Meter _meter;
    private readonly Counter<long> _received;
    private readonly Counter<long> _malformed;
    private readonly Counter<long> _rows;
    private readonly Counter<long> _joined;
    private readonly Counter<long> _deadLettered;
    private readonly Counter<long> _healed;
    private readonly Counter<long> _parked;
    private readonly Counter<long> _loads;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _retries;
    private readonly Histogram<double> _latency;

    /// <summary>Makes the instruments.</summary>
    public EcomStreamMetrics()
    {
        _meter = new Meter(MeterName);
        _received = _meter.CreateCounter<long>("ecomstream.messages.received", "{message}", "Messages received and decoded, by kind.");
        _malformed = _meter.CreateCounter<long>("ecomstream.messages.malformed", "{message}", "Messages that could not be decoded, by kind.");
        _rows = _meter.CreateCounter<long>("ecomstream.rows.written", "{row}", "Row writes that became durable.");
        _joined = _meter.CreateCounter<long>("ecomstream.payments.joined", "{payment}", "Writes of payment columns that became durable.");
        _deadLettered = _meter.CreateCounter<long>("ecomstream.messages.dead_lettered", "{message}", "Dead letters published, by reason.");
        _healed = _meter.CreateCounter<long>("ecomstream.payments.healed", "{payment}", "Unmatched payments joined after all.");
        _parked = _meter.CreateCounter<long>("ecomstream.payments.parked", "{payment}", "Payments whose unmatched row was written.");
        _loads = _meter.CreateCounter<long>("ecomstream.rows.read", "{row}", "Orders whose row was read.");
        _refused = _meter.CreateCounter<long>("ecomstream.payments.refused", "{payment}", "Guarded payments that met another one in the row.");
        _retries = _meter.CreateCounter<long>("ecomstream.retries", "{call}", "Calls of a store or broker that failed and were tried again, by operation.");
        _latency = _meter.CreateHistogram<double>("ecomstream.publish_to_row.duration", "s", "From a message's publish time to the durable row.");
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    /// <summary>What is observed rather than counted.</summary>
    internal void Observe(Func<PipelineStatus> status, TimeProvider time)
    {
        _meter.CreateObservableGauge(
            "ecomstream.orders.waiting", () => status().WaitingOrders, "{order}", "Order ids with a payment that waits for the order.");
        _meter.CreateObservableGauge(
            "ecomstream.orders.watermark.lag",
            () => status().WatermarkMicros is { } micros
                ? [new Measurement<double>(Math.Max(0, (time.GetUtcNow() - Timestamps.Time(micros)).TotalSeconds))]
                : Array.Empty<Measurement<double>>(),
            "s",
            "How far the watermark of the orders is behind the clock; nothing while the subscription cannot be read.");
    }

    internal void Received(string kind, int messages, int malformed)
    {
        _received.Add(messages, new KeyValuePair<string, object?>("kind", kind));
        if (malformed > 0)
        {
            _malformed.Add(malformed, new KeyValuePair<string, object?>("kind", kind));
        }
    }

    internal void Written(int rows, int payments)
    {
        _rows.Add(rows);
        _joined.Add(payments);
    }

    internal bool MeasuresLatency => _latency.Enabled;

    internal void Latency(double seconds) => _latency.Record(seconds);

    internal void DeadLettered(DeadLetterReason reason, int messages) =>
        _deadLettered.Add(messages, new KeyValuePair<string, object?>("reason", reason.ToAttribute()));

    internal void Healed(int payments) => _healed.Add(payments);

    internal void Parked(int payments) => _parked.Add(payments);

    internal void Loaded(int rows) => _loads.Add(rows);

    internal void Refused(int payments) => _refused.Add(payments);

    internal void Retried(string operation) =>
        _retries.Add(1, new KeyValuePair<string, object?>("operation", operation));
}
