namespace EcomStream.Cassandra;

/// <summary>Write timestamps for the unmatched rows. Thread-safe.</summary>
internal sealed class WriteClock(TimeProvider time)
{
    private long _last;

    /// <summary>
    /// Microseconds, and greater than every one before, those of the rows that were read included: of two writes of one
    /// row the later one remains, also where the machine that wrote the first has a clock ahead of this one's.
    /// </summary>
    public long Next()
    {
        while (true)
        {
            var last = Interlocked.Read(ref _last);
            var next = Math.Max(last + 1, time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000);
            if (Interlocked.CompareExchange(ref _last, next, last) == last)
            {
                return next;
            }
        }
    }

    /// <summary>A row with this write timestamp was read.</summary>
    public void Seen(long timestamp)
    {
        for (long last; (last = Interlocked.Read(ref _last)) < timestamp;)
        {
            Interlocked.CompareExchange(ref _last, timestamp, last);
        }
    }
}
