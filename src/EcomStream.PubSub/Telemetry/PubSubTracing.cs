using System.Globalization;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// Decides for which messages spans are started. The decision is taken here, before a span is created: OpenTelemetry's
/// samplers decide when every message has cost the creation of one, and creating it takes longer than joining the message.
/// </summary>
public static class PubSubTracing
{
    // https://www.w3.org/TR/trace-context/#traceparent-header: 00-TRACE_ID-PARENT_ID-FLAGS.
    private const int TraceIdStart = 3;
    private const int DigitsUsed = 16;

    private static double _ratio = 1;

    /// <summary>
    /// Share of messages for which a span is started, 0 to 1; 1 by default. It follows from the trace id where the message
    /// has one, as OpenTelemetry's TraceIdRatioBased sampler does, so that all processes choose the same traces.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not from 0 to 1.</exception>
    public static double SampleRatio
    {
        get => Volatile.Read(ref _ratio);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 0);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 1);
            Volatile.Write(ref _ratio, value);
        }
    }

    /// <summary>Whether a message with these attributes is to have a span.</summary>
    internal static bool IsSampled(IReadOnlyDictionary<string, string> attributes) => IsSampled(attributes, SampleRatio);

    /// <summary>Whether a message with these attributes is to have a span at a ratio.</summary>
    internal static bool IsSampled(IReadOnlyDictionary<string, string> attributes, double ratio)
    {
        if (ratio >= 1)
        {
            return true;
        }

        return attributes.Count > 0
            && attributes.TryGetValue(DeadLetter.TraceParent, out var parent)
            && parent.Length > TraceIdStart + DigitsUsed
            && ulong.TryParse(parent.AsSpan(TraceIdStart, DigitsUsed), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var id)
                ? (id & long.MaxValue) < ratio * long.MaxValue
                : Random.Shared.NextDouble() < ratio;
    }
}
