using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// How far the orders subscription has been read: every order published until the watermark has been received. It is
/// the oldest publish time among what was delivered lately, the clock when the subscription has been idle, and unknown
/// while it cannot be read. Thread-safe.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="idle">Silence after which the subscription counts as idle; also the width of "lately".</param>
public sealed class OrdersWatermark(TimeProvider time, TimeSpan idle)
{
    private readonly Lock _lock = new();
    private long _current = long.MaxValue;
    private long _previous = long.MaxValue;
    private long? _windowStart;
    private long? _quietSince;

    /// <summary>A batch of orders was received. Called before it is handed on.</summary>
    /// <param name="oldestPublishTimeMicros">The oldest publish time in it, microseconds since the Unix epoch.</param>
    public void Received(long oldestPublishTimeMicros)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            _quietSince = now;
            if (_windowStart is not { } start || time.GetElapsedTime(start, now) > idle)
            {
                _previous = _current;
                _current = long.MaxValue;
                _windowStart = now;
            }

            _current = Math.Min(_current, oldestPublishTimeMicros);
        }
    }

    /// <summary>The watermark, microseconds since the Unix epoch; null while the subscription cannot be read.</summary>
    /// <param name="status">The orders subscription's status at this moment.</param>
    public long? Read(SubscriptionStatus status)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (!status.IsReading)
            {
                // The silence of a subscription that cannot be read says nothing.
                _quietSince = null;
                return null;
            }

            _quietSince ??= now;
            if (status.OutstandingMessages == 0 && time.GetElapsedTime(_quietSince.Value, now) >= idle)
            {
                _current = _previous = long.MaxValue;
                _windowStart = null;
                return time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000;
            }

            var oldest = Math.Min(_current, _previous);
            return oldest == long.MaxValue ? null : oldest;
        }
    }
}
