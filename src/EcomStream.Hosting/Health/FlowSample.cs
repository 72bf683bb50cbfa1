namespace EcomStream.Hosting;

/// <summary>Throughput and latency of one interval.</summary>
/// <param name="At">The end of the interval.</param>
/// <param name="Received">Messages received per second.</param>
/// <param name="Written">Rows written per second.</param>
/// <param name="Joined">Payments joined per second.</param>
/// <param name="DeadLettered">Messages dead-lettered per second.</param>
/// <param name="P50">Median time from publish to row, ms; null without rows.</param>
/// <param name="P99">99th percentile of the time from publish to row, ms; null without rows.</param>
internal sealed record FlowSample(
    DateTimeOffset At, double Received, double Written, double Joined, double DeadLettered, double? P50, double? P99);

/// <summary>The samples of the last hour, one for every five seconds, and the one of the last second.</summary>
internal sealed class FlowHistory(PipelineCounters counters, TimeProvider time)
{
    /// <summary>Samples that are kept: one hour.</summary>
    public const int Capacity = 720;

    private const int SecondsPerSample = 5;

    private readonly Lock _lock = new();
    private readonly Queue<FlowSample> _samples = new();
    private Totals _lastSecond = Totals.Of(counters, time);
    private Totals _lastSample = Totals.Of(counters, time);
    private FlowSample? _now;
    private int _seconds;

    /// <summary>The last second; null before the first one has passed.</summary>
    public FlowSample? Now
    {
        get
        {
            lock (_lock)
            {
                return _now;
            }
        }
    }

    /// <summary>The last hour, oldest first.</summary>
    public IReadOnlyList<FlowSample> Samples
    {
        get
        {
            lock (_lock)
            {
                return [.. _samples];
            }
        }
    }

    /// <summary>A second has passed.</summary>
    public void Tick()
    {
        var totals = Totals.Of(counters, time);
        lock (_lock)
        {
            _now = totals.Since(_lastSecond);
            _lastSecond = totals;
            if (++_seconds % SecondsPerSample == 0)
            {
                _samples.Enqueue(totals.Since(_lastSample));
                _lastSample = totals;
                if (_samples.Count > Capacity)
                {
                    _samples.Dequeue();
                }
            }
        }
    }

    private sealed record Totals(DateTimeOffset At, long Received, long Written, long Joined, long DeadLettered, long[] Latency)
    {
        public static Totals Of(PipelineCounters counters, TimeProvider time) =>
            new(time.GetUtcNow(), counters.Received, counters.Written, counters.Joined, counters.DeadLettered, counters.LatencyCounts());

        public FlowSample Since(Totals before)
        {
            var seconds = Math.Max((At - before.At).TotalSeconds, 0.001);
            var latency = Latency.Zip(before.Latency, (now, then) => now - then).ToArray();
            return new FlowSample(
                At,
                (Received - before.Received) / seconds,
                (Written - before.Written) / seconds,
                (Joined - before.Joined) / seconds,
                (DeadLettered - before.DeadLettered) / seconds,
                PipelineCounters.Quantile(latency, 0.5)?.TotalMilliseconds,
                PipelineCounters.Quantile(latency, 0.99)?.TotalMilliseconds);
        }
    }
}
