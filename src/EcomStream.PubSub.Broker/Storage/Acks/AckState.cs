namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Which messages of a topic one subscription has acked: everything before a cursor, and above it single bits, in
/// pages that exist only where something is acked out of order.
/// </summary>
internal sealed class AckState(long cursor)
{
    private const int PageBits = 12;
    private const int PageSize = 1 << PageBits;

    private readonly Dictionary<long, ulong[]> _pages = [];

    /// <summary>The first message that is not acked.</summary>
    public long Cursor { get; private set; } = cursor;

    /// <summary>Messages above the cursor that are acked.</summary>
    public long AckedAbove { get; private set; }

    public bool IsAcked(long offset) =>
        offset < Cursor
        || (_pages.TryGetValue(offset >> PageBits, out var page) && (page[Word(offset)] & Bit(offset)) != 0);

    /// <summary>Acks one message.</summary>
    /// <returns>False when it was acked before.</returns>
    public bool Ack(long offset)
    {
        if (IsAcked(offset))
        {
            return false;
        }

        if (offset == Cursor)
        {
            MoveCursor(1);
            Advance();
            return true;
        }

        if (!_pages.TryGetValue(offset >> PageBits, out var page))
        {
            _pages.Add(offset >> PageBits, page = new ulong[PageSize / 64]);
        }

        page[Word(offset)] |= Bit(offset);
        AckedAbove++;
        return true;
    }

    /// <summary>The same acks for a log that holds the messages from <paramref name="start"/> to before <paramref name="end"/>.</summary>
    public AckState Within(long start, long end)
    {
        var fitting = new AckState(Math.Clamp(Cursor, start, end));
        foreach (var (first, count) in Runs())
        {
            for (var offset = Math.Max(first, start); offset < Math.Min(first + count, end); offset++)
            {
                fitting.Ack(offset);
            }
        }

        return fitting;
    }

    /// <summary>
    /// The acks after a seek to <paramref name="target"/>: what stands before it is acked, what stands at or after it is
    /// not, if it can be replayed; an acked message that was not retained stays acked.
    /// </summary>
    /// <param name="target">The first message that is to be delivered.</param>
    /// <param name="replayable">The first message whose ack can be taken back.</param>
    public AckState Seek(long target, long replayable)
    {
        var sought = new AckState(Math.Max(target, Math.Min(Cursor, replayable)));
        foreach (var (first, count) in Runs())
        {
            for (var offset = Math.Max(first, sought.Cursor); offset < Math.Min(first + count, replayable); offset++)
            {
                sought.Ack(offset);
            }
        }

        return sought;
    }

    /// <summary>The runs of acked messages above the cursor: first, and how many.</summary>
    public IEnumerable<(long First, long Count)> Runs()
    {
        long first = -1, count = 0;
        foreach (var number in _pages.Keys.Order())
        {
            var start = number << PageBits;
            for (var offset = Math.Max(start, Cursor); offset < start + PageSize; offset++)
            {
                if (!IsAcked(offset))
                {
                    continue;
                }

                if (first >= 0 && offset == first + count)
                {
                    count++;
                    continue;
                }

                if (first >= 0)
                {
                    yield return (first, count);
                }

                (first, count) = (offset, 1);
            }
        }

        if (first >= 0)
        {
            yield return (first, count);
        }
    }

    private void Advance()
    {
        while (_pages.Count > 0)
        {
            if (!_pages.TryGetValue(Cursor >> PageBits, out var page))
            {
                return;
            }

            var bits = page[Word(Cursor)] >> (int)(Cursor & 63);
            var acked = System.Numerics.BitOperations.TrailingZeroCount(~bits);
            acked = (int)Math.Min(acked, 64 - (Cursor & 63));
            if (acked == 0)
            {
                return;
            }

            MoveCursor(acked);
            AckedAbove -= acked;
        }
    }

    private void MoveCursor(int by)
    {
        var before = Cursor >> PageBits;
        Cursor += by;
        if (Cursor >> PageBits != before)
        {
            _pages.Remove(before);
        }
    }

    private static int Word(long offset) => (int)((offset & (PageSize - 1)) >> 6);

    private static ulong Bit(long offset) => 1UL << (int)(offset & 63);
}
