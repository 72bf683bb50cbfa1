using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using EcomStream.Actors;

namespace EcomStream.Hosting;

/// <summary>Subscribes to the pipeline's meter and adds up what it counts, for displays and summaries.</summary>
internal sealed class PipelineCounters : IDisposable
{
    // Buckets of the latency grow by a tenth, from a tenth of a millisecond on.
    private const double FirstBucketSeconds = 0.0001;
    private const double Growth = 1.1;
    private readonly long[] _latency = new long[200];
    private readonly ConcurrentDictionary<string, long> _totals = new();
    private readonly MeterListener _listener = new();

    public PipelineCounters()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == EcomStreamMetrics.MeterName && !instrument.IsObservable)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            _totals.AddOrUpdate(instrument.Name, value, (_, total) => total + value);
            foreach (var tag in tags)
            {
                _totals.AddOrUpdate($"{instrument.Name}:{tag.Value}", value, (_, total) => total + value);
            }
        });
        _listener.SetMeasurementEventCallback<double>((_, seconds, _, _) =>
        {
            var bucket = seconds <= FirstBucketSeconds ? 0 : (int)Math.Log(seconds / FirstBucketSeconds, Growth) + 1;
            Interlocked.Increment(ref _latency[Math.Min(bucket, _latency.Length - 1)]);
        });
        _listener.Start();
    }

    public long Received => Total("ecomstream.messages.received");

    public long Malformed => Total("ecomstream.messages.malformed");

    public long Written => Total("ecomstream.rows.written");

    public long Joined => Total("ecomstream.payments.joined");

    public long Parked => Total("ecomstream.payments.parked");

    public long DeadLettered => Total("ecomstream.messages.dead_lettered");

    public long Healed => Total("ecomstream.payments.healed");

    public long DeadLetteredFor(string reason) => Total($"ecomstream.messages.dead_lettered:{reason}");

    /// <summary>The latency from publish to row below which a share of all rows stayed, with a precision of a tenth; null without rows.</summary>
    public TimeSpan? LatencyQuantile(double share) => Quantile(LatencyCounts(), share);

    /// <summary>How many rows had a latency in each bucket until now.</summary>
    public long[] LatencyCounts() => Array.ConvertAll(_latency, count => count);

    /// <summary>The latency below which a share of the counted rows stayed; null without rows.</summary>
    /// <param name="counts">Rows per bucket, as <see cref="LatencyCounts"/> returns them.</param>
    /// <param name="share">The share, 0 to 1.</param>
    public static TimeSpan? Quantile(long[] counts, double share)
    {
        var total = counts.Sum();
        if (total == 0)
        {
            return null;
        }

        long seen = 0;
        for (var bucket = 0; bucket < counts.Length; bucket++)
        {
            seen += counts[bucket];
            if (seen >= share * total)
            {
                return TimeSpan.FromSeconds(FirstBucketSeconds * Math.Pow(Growth, bucket));
            }
        }

        return null;
    }

    public void Dispose() => _listener.Dispose();

    private long Total(string name) => _totals.GetValueOrDefault(name);
}
