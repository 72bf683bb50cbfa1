namespace EcomStream.PubSub;

/// <summary>
/// How many connections of a subscription were lost lately, counted from samples of the number of streams that were
/// opened again. Not thread-safe.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="streams">Streams that are open at the same time; a lost connection takes all of them.</param>
internal sealed class LostConnections(TimeProvider time, int streams)
{
    // How long Google's emulator was seen to hand messages to a connection that is gone: more than two minutes.
    private static readonly TimeSpan _remembered = TimeSpan.FromMinutes(10);

    private readonly Queue<(long At, long Lost)> _losses = new();
    private long _reopened;

    /// <summary>Takes a sample.</summary>
    /// <param name="reopened">How many streams were opened in place of a lost one so far.</param>
    /// <returns>Lost connections of the last ten minutes.</returns>
    public int Sample(long reopened)
    {
        var now = time.GetTimestamp();

        // A new enumeration begins to count anew.
        var lost = reopened >= _reopened ? reopened - _reopened : reopened;
        _reopened = reopened;
        if (lost > 0)
        {
            _losses.Enqueue((now, lost));
        }

        while (_losses.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At, now) > _remembered)
        {
            _losses.Dequeue();
        }

        return (int)Math.Ceiling(_losses.Sum(loss => loss.Lost) / (double)Math.Max(1, streams));
    }
}
