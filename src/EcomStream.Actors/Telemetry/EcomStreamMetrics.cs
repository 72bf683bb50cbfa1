using System.Diagnostics.Metrics;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The counters of a pipeline, named by OpenTelemetry's conventions. They count per batch, where events are decided;
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
    private readonly Counter<long> _acksRefused;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _rejected;
    private readonly Counter<long> _unusable;
    private readonly Histogram<double> _latency;

    private readonly KeyValuePair<string, object?> _pipeline;

    /// <summary>Makes the instruments.</summary>
    /// <param name="pipeline">The name of the pipeline, the tag <c>ecomstream.pipeline</c> of every measurement.</param>
    public EcomStreamMetrics(string pipeline = "ecomstream")
    {
        _pipeline = new KeyValuePair<string, object?>("ecomstream.pipeline", pipeline);
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
        _acksRefused = _meter.CreateCounter<long>("ecomstream.acks.refused", "{message}", "Messages that were handled and whose ack the broker refused, by subscription.");
        _retries = _meter.CreateCounter<long>("ecomstream.retries", "{call}", "Calls of a store or broker that failed and were tried again, by operation.");
        _rejected = _meter.CreateCounter<long>("ecomstream.messages.rejected", "{message}", "Messages whose row the store rejected.");
        _unusable = _meter.CreateCounter<long>("ecomstream.fields.unusable", "{field}", "Values of optional fields that could not be used, by field.");
        _latency = _meter.CreateHistogram<double>("ecomstream.publish_to_row.duration", "s", "From a message's publish time to the durable row.");
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    /// <summary>Adds the gauges.</summary>
    /// <param name="waitingOrders">Orders with waiting payments.</param>
    /// <param name="watermark">The watermark of the orders.</param>
    /// <param name="time">The clock.</param>
    internal void Observe(Func<int> waitingOrders, Func<WatermarkReading> watermark, TimeProvider time)
    {
        _meter.CreateObservableGauge(
            "ecomstream.orders.waiting",
            () => new Measurement<int>(waitingOrders(), _pipeline),
            "{order}",
            "Orders with a payment that waits for them.");
        _meter.CreateObservableGauge(
            "ecomstream.orders.watermark.lag",
            () => watermark().Micros is { } micros
                ? [new Measurement<double>(Math.Max(0, (time.GetUtcNow() - Timestamps.Time(micros)).TotalSeconds), _pipeline)]
                : Array.Empty<Measurement<double>>(),
            "s",
            "How far the watermark of the orders is behind the local clock; absent while the watermark is unknown.");
        _meter.CreateObservableGauge(
            "ecomstream.orders.watermark.held",
            () => watermark() is { IsCaughtUp: false } reading
                ? [new Measurement<double>(reading.HeldFor.TotalSeconds, _pipeline, new("ecomstream.hold", reading.Hold.ToString()))]
                : Array.Empty<Measurement<double>>(),
            "s",
            "For how long the same thing has held the watermark of the orders, by what holds it; absent while nothing does.");
    }

    internal void Received(string kind, int messages, int malformed)
    {
        _received.Add(messages, _pipeline, new("kind", kind));
        if (malformed > 0)
        {
            _malformed.Add(malformed, _pipeline, new("kind", kind));
        }
    }

    internal void Written(int rows, int payments)
    {
        _rows.Add(rows, _pipeline);
        _joined.Add(payments, _pipeline);
    }

    internal bool MeasuresLatency => _latency.Enabled;

    internal void Latency(double seconds) => _latency.Record(seconds, _pipeline);

    internal void DeadLettered(DeadLetterReason reason, int messages) =>
        _deadLettered.Add(messages, _pipeline, new("reason", reason.ToAttribute()));

    internal void Healed(int payments) => _healed.Add(payments, _pipeline);

    internal void Parked(int payments) => _parked.Add(payments, _pipeline);

    internal void Loaded(int rows) => _loads.Add(rows, _pipeline);

    internal void Refused(int payments) => _refused.Add(payments, _pipeline);

    internal void AcksRefused(string subscription, int messages) => _acksRefused.Add(messages, _pipeline, new("subscription", subscription));

    internal void Rejected(int messages) => _rejected.Add(messages, _pipeline);

    internal void Unusable(string field) => _unusable.Add(1, _pipeline, new("field", field));

    internal void Retried(string operation) => _retries.Add(1, _pipeline, new("operation", operation));
}
