namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// The acks of one subscription, on disk first (<see cref="AckFile"/>) and then in memory (<see cref="StoredAcks"/>): a frame for
/// each Acknowledge. When the file has grown it is written anew from what it holds. Guarded by its subscription.
/// </summary>
internal sealed class AckLog : IDisposable
{
    private readonly AckFile _file;
    private readonly StoredAcks _acks;
    private readonly AckFrame _frame = new();

    private AckLog(AckFile file, StoredAcks acks) => (_file, _acks) = (file, acks);

    public AckState State => _acks.State;

    /// <summary>The acks of a new subscription, whose file is created when something is first written to it.</summary>
    public static AckLog New(string path, AckState state, BrokerFiles files)
    {
        var acks = new StoredAcks(state);
        return new AckLog(AckFile.New(path, acks.ToFrame(state), files), acks);
    }

    /// <summary>Writes a copy of acks, for a snapshot; it is durable.</summary>
    public static void WriteCopy(string path, AckState state, BrokerFiles files) => files.Replace(path, new StoredAcks(state).ToFrame(state));

    /// <summary>Opens the acks of a subscription; an unfinished last frame, whose ack was never answered, is cut off.</summary>
    /// <param name="path">The file.</param>
    /// <param name="files">How it is written.</param>
    /// <param name="start">
    /// The first message of the subscription, from which it begins when the file was never created or never synced; null
    /// when the file must be there.
    /// </param>
    /// <exception cref="BrokerStartException">The file is missing, or damaged in its middle.</exception>
    public static AckLog Open(string path, BrokerFiles files, long? start = null)
    {
        if (!files.Store.Exists(path))
        {
            if (start is not null && IsMissing(path, files.Store))
            {
                throw new BrokerStartException(
                    $"The acks {path} are missing, although they were synced. Restore a copy of the broker's folder, or let `ecomstream broker repair` "
                    + "continue without them: all messages since the subscription was created are delivered again.");
            }

            return start is { } first
                ? New(path, new AckState(first), files)
                : throw new BrokerStartException($"The acks {path} are missing. Restore a copy of the broker's folder, or move the folder away to begin anew.");
        }

        var bytes = files.Store.ReadAllBytes(path);
        var acks = StoredAcks.Read(bytes, out var end);
        var isDamaged = IsDamaged(bytes, end, path, files.Store, mayBeNew: start is not null);
        if (acks is null && !isDamaged && start is { } begin)
        {
            // A power cut took the file before it was synced for the first time.
            return New(path, new AckState(begin), files);
        }

        if (acks is null || isDamaged)
        {
            throw new BrokerStartException(
                $"The acks {path} are damaged at byte {end}. Restore a copy of the broker's folder, or let `ecomstream broker repair` "
                + "read around the damage: messages whose acks cannot be read are delivered again.");
        }

        return new AckLog(AckFile.Open(path, end, files), acks);
    }

    /// <summary>Whether a file is missing although it was synced. Its <see cref="SyncMarker"/> is written after the sync.</summary>
    public static bool IsMissing(string path, FileStore store) => !store.Exists(path) && store.Exists(AckFile.MarkerPath(path));

    /// <summary>
    /// Whether a part of a file is unreadable that a power cut cannot have taken. It can take what was written after the last
    /// sync, which is all of a file that was never synced.
    /// </summary>
    /// <param name="bytes">The content of the file.</param>
    /// <param name="end">Bytes of the intact frames at its beginning.</param>
    /// <param name="path">The file.</param>
    /// <param name="store">The store that has the file.</param>
    /// <param name="mayBeNew">Whether the file may have been written without a sync: that of a subscription may, a snapshot's may not.</param>
    public static bool IsDamaged(ReadOnlySpan<byte> bytes, int end, string path, FileStore store, bool mayBeNew)
    {
        if (end == 0)
        {
            return !mayBeNew || store.Exists(AckFile.MarkerPath(path)) || AckFrame.AnyIntact(bytes);
        }

        var mayBeUnsynced = SyncMarker.Read(store, AckFile.MarkerPath(path), AckFrame.Generation(bytes)) <= end;
        return !mayBeUnsynced && AckFrame.AnyIntact(bytes[end..]);
    }

    /// <summary>Acks messages: to the file first, then in memory.</summary>
    /// <param name="offsets">Offsets not acked before, ascending, no two the same.</param>
    /// <param name="early">
    /// Messages acked before an earlier one of their ordering key: not acked yet, and remembered (<see cref="IsEarly"/>).
    /// </param>
    public void Ack(ReadOnlySpan<long> offsets, IReadOnlyCollection<long>? early = null)
    {
        early ??= [];
        if (offsets.IsEmpty && early.Count == 0)
        {
            return;
        }

        _frame.Begin(offsets.Length + early.Count);
        for (var i = 0; i < offsets.Length;)
        {
            var count = 1;
            while (i + count < offsets.Length && offsets[i + count] == offsets[i] + count)
            {
                count++;
            }

            _frame.Add(offsets[i], count);
            i += count;
        }

        foreach (var offset in early)
        {
            _frame.Add(~offset, 1);
        }

        _file.Append(_frame.Seal());
        foreach (var offset in offsets)
        {
            _acks.Ack(offset);
        }

        _acks.Early.UnionWith(early);
        CompactWhenLarge();
    }

    /// <summary>How often the delivery of a message has failed.</summary>
    public int Failures(long offset) => _acks.Failures.GetValueOrDefault(offset);

    /// <summary>Whether a message was acked before an earlier one of its ordering key, which is not acked yet.</summary>
    public bool IsEarly(long offset) => _acks.Early.Contains(offset);

    /// <summary>Messages are delivered again, so that their early acks no longer count: in memory always, and in the file if it can be written.</summary>
    public void ForgetEarly(IReadOnlyCollection<long> offsets)
    {
        var forgotten = offsets.Where(_acks.Early.Remove).ToList();
        if (forgotten.Count == 0)
        {
            return;
        }

        _frame.Begin(forgotten.Count);
        foreach (var offset in forgotten)
        {
            _frame.Add(~offset, 0);
        }

        // If it fails: after a restart the message counts as acked early again, as it once was.
        TryAppend();
    }

    /// <summary>Counts a failed delivery of each message: in memory always, and in the file if it can be written.</summary>
    public void Fail(ReadOnlySpan<long> offsets)
    {
        _frame.Begin(offsets.Length);
        foreach (var offset in offsets)
        {
            var count = _acks.Failures.GetValueOrDefault(offset) + 1;
            _acks.Failures[offset] = count;
            _frame.Add(offset, -count);
        }

        // If it fails: delivery attempts are counted as well as can be: https://cloud.google.com/pubsub/docs/handling-failures
        TryAppend();
    }

    /// <summary>Takes another state, as a seek asks: in the file first, then in memory.</summary>
    public void Reset(AckState state)
    {
        // Early acks belong to the deliveries before.
        _acks.Early.Clear();
        _file.Replace(_acks.ToFrame(state));
        _acks.State = state;
        foreach (var offset in _acks.Failures.Keys.Where(state.IsAcked).ToList())
        {
            _acks.Failures.Remove(offset);
        }
    }

    /// <summary>
    /// Makes the acks fit the log: after a power cut either may have lost its end. Acks of messages that are no more go,
    /// so that the messages that come in their place are delivered; a cursor before the log's start moves there.
    /// </summary>
    /// <returns>Whether something had to change.</returns>
    public bool FitTo(long start, long end)
    {
        var fitting = State.Within(start, end);
        var gone = _acks.Failures.Keys.Where(offset => offset >= end).ToList();
        if (fitting.Cursor == State.Cursor && fitting.AckedAbove == State.AckedAbove && gone.Count == 0)
        {
            return false;
        }

        foreach (var offset in gone)
        {
            _acks.Failures.Remove(offset);
        }

        Reset(fitting);
        return true;
    }

    /// <inheritdoc cref="AckFile.Sync(Lock)"/>
    public void Sync(Lock guard) => _file.Sync(guard);

    /// <summary>Its files in the order in which they are deleted: a marker without its file would be damage.</summary>
    public static IEnumerable<string> FilesOf(string path) => [AckFile.MarkerPath(path), path];

    public void Dispose() => _file.Dispose();

    private void TryAppend()
    {
        try
        {
            _file.Append(_frame.Seal());
            CompactWhenLarge();
        }
        catch (IOException)
        {
            // The caller says what follows.
        }
    }

    // Only when what is in memory is what the file holds: that is what is written anew.
    private void CompactWhenLarge()
    {
        if (!_file.IsLarge)
        {
            return;
        }

        try
        {
            _file.Replace(_acks.ToFrame(State));
        }
        catch (IOException)
        {
            // The acks are in the old file all the same; it grows until there is room for a new one.
        }

        // A state with many gaps is large in itself: it is not written anew at every ack.
        _file.AllowGrowth();
    }
}
