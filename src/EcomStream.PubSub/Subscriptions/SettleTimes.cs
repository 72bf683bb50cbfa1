namespace EcomStream.PubSub;

/// <summary>How long messages have taken from receipt to settlement, by whole seconds; the old weigh ever less.</summary>
internal sealed class SettleTimes
{
    // The longest lease that the service gives.
    private const int LongestSeconds = 600;

    // With so many they are halved, so that what settling took an hour ago does not decide what it takes now.
    private const long Most = 100_000;

    private readonly Lock _lock = new();
    private readonly long[] _counts = new long[LongestSeconds + 1];
    private long _total;

    /// <summary>The 99th percentile, whole seconds rounded up; zero before anything was settled.</summary>
    public TimeSpan Percentile99
    {
        get
        {
            lock (_lock)
            {
                var left = _total - (_total / 100);
                for (var seconds = 0; seconds <= LongestSeconds && left > 0; seconds++)
                {
                    left -= _counts[seconds];
                    if (left <= 0)
                    {
                        return TimeSpan.FromSeconds(seconds);
                    }
                }

                return TimeSpan.Zero;
            }
        }
    }

    /// <summary>Counts messages that were settled after so long.</summary>
    public void Record(TimeSpan after, int count)
    {
        var seconds = (int)Math.Clamp(Math.Ceiling(after.TotalSeconds), 0, LongestSeconds);
        lock (_lock)
        {
            _counts[seconds] += count;
            _total += count;
            if (_total < Most)
            {
                return;
            }

            _total = 0;
            for (var i = 0; i <= LongestSeconds; i++)
            {
                _counts[i] /= 2;
                _total += _counts[i];
            }
        }
    }
}
