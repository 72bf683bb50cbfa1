namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// What a file of acks holds. The first run of the file is everything before the cursor. A negative count is how often the
/// delivery of that one message has failed. A negative first offset is the bitwise complement of that of a message that was
/// acked before an earlier one of its ordering key (count 1), or no longer is (count 0).
/// </summary>
internal sealed class StoredAcks(AckState state)
{
    /// <summary>The acked messages.</summary>
    public AckState State { get; set; } = state;

    /// <summary>How often the delivery of messages that are not acked has failed.</summary>
    public Dictionary<long, int> Failures { get; } = [];

    /// <summary>Messages acked before an earlier one of their ordering key: not acked yet.</summary>
    public HashSet<long> Early { get; } = [];

    /// <summary>Reads the intact frames at the beginning of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="end">How many bytes they are.</param>
    /// <returns>Null when the first frame is not intact.</returns>
    public static StoredAcks? Read(ReadOnlySpan<byte> file, out int end)
    {
        StoredAcks? acks = null;
        end = 0;
        while (AckFrame.TryRead(file, ref end, out var runs))
        {
            var isFirst = acks is null;
            acks ??= new StoredAcks(new AckState(0));
            acks.Apply(runs, isFirst);
        }

        return acks;
    }

    /// <summary>Applies the runs of a frame.</summary>
    /// <param name="runs">Its runs.</param>
    /// <param name="isFirst">Whether it is the first one of the file, which begins with the cursor.</param>
    public void Apply(ReadOnlySpan<byte> runs, bool isFirst)
    {
        if (isFirst)
        {
            State = new AckState(AckFrame.Run(runs, 0).Count);
        }

        for (var run = isFirst ? 1 : 0; run < AckFrame.CountRuns(runs); run++)
        {
            var (first, count) = AckFrame.Run(runs, run);
            Apply(first, count);
        }
    }

    /// <summary>All of it as the first frame of a file.</summary>
    /// <param name="state">The acked messages in place of <see cref="State"/>.</param>
    public byte[] ToFrame(AckState state)
    {
        var runs = state.Runs().ToList();
        runs.AddRange(Failures.Where(failed => !state.IsAcked(failed.Key)).Select(failed => (failed.Key, -(long)failed.Value)));
        runs.AddRange(Early.Select(offset => (~offset, 1L)));
        var frame = new AckFrame();
        frame.Begin(runs.Count + 1);
        frame.Add(0, state.Cursor);
        foreach (var (first, count) in runs)
        {
            frame.Add(first, count);
        }

        return frame.Seal().ToArray();
    }

    /// <summary>The message is acked.</summary>
    public void Ack(long offset)
    {
        State.Ack(offset);
        Failures.Remove(offset);
        Early.Remove(offset);
    }

    private void Apply(long first, long count)
    {
        if (first < 0)
        {
            _ = count > 0 ? Early.Add(~first) : Early.Remove(~first);
            return;
        }

        if (count < 0)
        {
            Failures[first] = (int)-count;
        }

        for (var offset = first; offset < first + count; offset++)
        {
            Ack(offset);
        }
    }
}
