namespace EcomStream.Actors;

/// <summary>
/// The broker's clock as far as it is known here: publish times are the broker's, and the local clock may differ from
/// it by any amount. It relates the broker's time to a local monotonic time. Pure: all times are passed in, microseconds. Not
/// thread-safe.
/// </summary>
/// <remarks>
/// A message is received after it was published, so the largest difference "publish time - time of receipt" is the best
/// estimate, and it is never too large. It is kept for one to two windows, so that a drift of the local clock is
/// followed.
/// </remarks>
internal sealed class BrokerClock
{
    private const long WindowMicros = 10 * 60 * 1_000_000L;

    private long _current = long.MinValue;
    private long _previous = long.MinValue;
    private long _windowStart;
    private long? _assumed;
    private bool _isTold;

    /// <summary>Whether anything is known of the broker's clock.</summary>
    public bool IsKnown => Offset != long.MinValue;

    private long Offset => Math.Max(_current, _previous);

    /// <summary>The broker reported its time in an answer.</summary>
    /// <param name="brokerMicros">The broker's time, microseconds since the Unix epoch.</param>
    /// <param name="at">The local monotonic time at which it arrived, microseconds.</param>
    public void Tell(long brokerMicros, long at)
    {
        _isTold = true;
        Observe(brokerMicros, at);
    }

    /// <summary>A broker's time was seen: a publish time, or the time in an answer.</summary>
    /// <param name="brokerMicros">The broker's time, microseconds since the Unix epoch.</param>
    /// <param name="at">The local monotonic time at which it arrived, microseconds.</param>
    public void Observe(long brokerMicros, long at)
    {
        if (_current == long.MinValue || at - _windowStart > WindowMicros)
        {
            _previous = _current;
            _current = long.MinValue;
            _windowStart = at;
        }

        _current = Math.Max(_current, brokerMicros - at);
    }

    /// <summary>Takes the local clock for the broker's as long as nothing was observed.</summary>
    /// <param name="localMicros">The local clock, microseconds since the Unix epoch.</param>
    /// <param name="at">The local monotonic time, microseconds.</param>
    public void Assume(long localMicros, long at) => _assumed = localMicros - at;

    /// <summary>The broker's time at a local monotonic time, not later than it was; null when nothing is known.</summary>
    public long? At(long at) => IsKnown ? at + Offset : at + _assumed;

    /// <summary>
    /// The broker's time at a local monotonic time, for deciding which messages are old: publish times of old messages alone
    /// would make it too early, so that the local clock counts as long as the broker has not reported its time. Null when nothing
    /// is known.
    /// </summary>
    public long? LatestAt(long at) => _isTold ? At(at) : at + (_assumed is { } assumed ? Math.Max(assumed, Offset) : null);
}
