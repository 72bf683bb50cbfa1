using System.Diagnostics.Metrics;

namespace EcomStream.Actors.Tests;

/// <summary>Adds up what a counter of one pipeline measures.</summary>
internal sealed class CounterReader : IDisposable
{
    private readonly MeterListener _listener = new();
    private long _value;

    /// <summary>Starts to read.</summary>
    /// <param name="counter">The name of the counter.</param>
    /// <param name="pipeline">The name of the pipeline.</param>
    public CounterReader(string counter, string pipeline)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == counter)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            foreach (var tag in tags)
            {
                if (pipeline.Equals(tag.Value))
                {
                    Interlocked.Add(ref _value, value);
                }
            }
        });
        _listener.Start();
    }

    /// <summary>The sum since it started.</summary>
    public long Value => Interlocked.Read(ref _value);

    public void Dispose() => _listener.Dispose();
}
