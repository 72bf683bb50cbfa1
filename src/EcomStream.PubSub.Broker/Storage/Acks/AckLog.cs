using System.Buffers.Binary;
using System.IO.Hashing;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// The acks of one subscription on disk: a file that begins with the cursor and is appended to, one frame per
/// Acknowledge: frame length (4 bytes), CRC-32 (4 bytes), then runs of first offset and count (8 bytes each). A negative
/// count is how often the delivery of that one message has failed. A negative first offset is the bitwise complement of that of
/// a message that was acked before an earlier one of its ordering key (count 1), or no longer is (count 0). When it has grown it is written anew from the state
/// and replaced at once. Guarded by its subscription.
/// </summary>
internal sealed class AckLog : IDisposable
{
    private const int CompactBytes = 1 << 20;
    private const int FrameHeader = 8;
    private const int RunBytes = 16;

    private readonly string _path;
    private readonly BrokerFiles _files;
    private readonly SyncMarker _marker;
    private readonly Dictionary<long, int> _failures;
    private readonly HashSet<long> _early;
    private readonly Lock _syncing = new();
    private StoredFile? _file;
    private long _length;
    private long _compactAt = CompactBytes;
    private byte[] _buffer = new byte[4096];
    private bool _unsynced;

    private AckLog(string path, StoredFile? file, AckState state, Dictionary<long, int> failures, HashSet<long> early, BrokerFiles files)
    {
        _path = path;
        _file = file;
        _files = files;
        _marker = new SyncMarker(MarkerPath(path), files.Store);
        _failures = failures;
        _early = early;
        State = state;
    }

    public AckState State { get; private set; }

    /// <summary>Makes the acks of a new subscription. They are durable after <see cref="Sync(Lock)"/>.</summary>
    /// <exception cref="IOException">The disk is full or broken; there is no file.</exception>
    public static AckLog Create(string path, AckState state, BrokerFiles files)
    {
        var log = new AckLog(path, null, state, [], [], files);
        log.EnsureFile();
        return log;
    }

    /// <summary>Writes a copy of acks, for a snapshot; it is durable.</summary>
    public static void WriteCopy(string path, AckState state, BrokerFiles files) => files.Replace(path, FirstFrame(state, [], []));

    /// <summary>Opens the acks of a subscription; an unfinished last frame, whose ack was never answered, is cut off.</summary>
    /// <param name="path">The file.</param>
    /// <param name="files">How it is written.</param>
    /// <param name="start">
    /// The first message of the subscription, from which it begins when the file was never synced; null when the file must
    /// be there.
    /// </param>
    /// <exception cref="BrokerStartException">The file is missing, or damaged in its middle.</exception>
    public static AckLog Open(string path, BrokerFiles files, long? start = null)
    {
        if (!files.Store.Exists(path))
        {
            return start is { } first
                ? Create(path, new AckState(first), files)
                : throw new BrokerStartException($"The acks {path} are missing. Restore a copy of the broker's folder, or move the folder away to begin anew.");
        }

        var failures = new Dictionary<long, int>();
        var early = new HashSet<long>();
        var bytes = files.Store.ReadAllBytes(path);
        var at = 0;
        AckState? state = null;
        while (bytes.Length - at >= FrameHeader)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));
            if (length <= 0 || length % RunBytes != 0 || bytes.Length - at - FrameHeader < length)
            {
                break;
            }

            var body = bytes.AsSpan(at + FrameHeader, length);
            if (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 4)) != Crc32.HashToUInt32(body))
            {
                break;
            }

            for (var run = 0; run < length; run += RunBytes)
            {
                var first = BinaryPrimitives.ReadInt64LittleEndian(body[run..]);
                var count = BinaryPrimitives.ReadInt64LittleEndian(body[(run + 8)..]);
                if (state is null)
                {
                    // The first run is everything before the cursor.
                    state = new AckState(count);
                    continue;
                }

                if (first < 0)
                {
                    _ = count > 0 ? early.Add(~first) : early.Remove(~first);
                    continue;
                }

                if (count < 0)
                {
                    failures[first] = (int)-count;
                }

                for (var offset = first; offset < first + count; offset++)
                {
                    state.Ack(offset);
                    failures.Remove(offset);
                    early.Remove(offset);
                }
            }

            at += FrameHeader + length;
        }

        if (state is null && start is { } begin && !files.Store.Exists(MarkerPath(path)) && !AnyIntact(bytes))
        {
            // A power cut took the file before it was synced for the first time.
            return Create(path, new AckState(begin), files);
        }

        var mayBeUnsynced = bytes.Length >= FrameHeader && SyncMarker.Read(files.Store, MarkerPath(path), BinaryPrimitives.ReadInt64LittleEndian(bytes)) <= at;
        if (state is null || (!mayBeUnsynced && AnyIntact(bytes.AsSpan(at))))
        {
            throw new BrokerStartException(
                $"The acks {path} are damaged at byte {at}. Restore a copy of the broker's folder, or move the folder away to begin anew.");
        }

        var file = files.Open(path);
        if (at < bytes.Length)
        {
            file.SetLength(at);
        }

        return new AckLog(path, file, state, failures, early, files) { _length = at };
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

        var used = FrameHeader;
        Reserve(offsets.Length + early.Count);
        for (var i = 0; i < offsets.Length;)
        {
            var count = 1;
            while (i + count < offsets.Length && offsets[i + count] == offsets[i] + count)
            {
                count++;
            }

            used += WriteRun(_buffer.AsSpan(used), offsets[i], count);
            i += count;
        }

        foreach (var offset in early)
        {
            used += WriteRun(_buffer.AsSpan(used), ~offset, 1);
        }

        AppendFrame(used);
        foreach (var offset in offsets)
        {
            State.Ack(offset);
            _early.Remove(offset);
        }

        _early.UnionWith(early);

        if (_failures.Count > 0)
        {
            foreach (var offset in offsets)
            {
                _failures.Remove(offset);
            }
        }

        CompactWhenLarge();
    }

    /// <summary>How often the delivery of a message has failed.</summary>
    public int Failures(long offset) => _failures.GetValueOrDefault(offset);

    /// <summary>Whether a message was acked before an earlier one of its ordering key, which is not acked yet.</summary>
    public bool IsEarly(long offset) => _early.Contains(offset);

    /// <summary>Messages are delivered again, so that their early acks no longer count: in memory always, and in the file if it can be written.</summary>
    public void ForgetEarly(IReadOnlyCollection<long> offsets)
    {
        var forgotten = offsets.Where(_early.Remove).ToList();
        if (forgotten.Count == 0)
        {
            return;
        }

        var used = FrameHeader;
        Reserve(forgotten.Count);
        foreach (var offset in forgotten)
        {
            used += WriteRun(_buffer.AsSpan(used), ~offset, 0);
        }

        try
        {
            AppendFrame(used);
            CompactWhenLarge();
        }
        catch (IOException)
        {
            // After a restart the message counts as acked early again, as it once was.
        }
    }

    /// <summary>Counts a failed delivery of each message: in memory always, and in the file if it can be written.</summary>
    public void Fail(ReadOnlySpan<long> offsets)
    {
        var used = FrameHeader;
        Reserve(offsets.Length);
        foreach (var offset in offsets)
        {
            var count = _failures.GetValueOrDefault(offset) + 1;
            _failures[offset] = count;
            used += WriteRun(_buffer.AsSpan(used), offset, -count);
        }

        try
        {
            AppendFrame(used);
            CompactWhenLarge();
        }
        catch (IOException)
        {
            // Delivery attempts are counted as well as can be: https://cloud.google.com/pubsub/docs/handling-failures
        }
    }

    /// <summary>Takes another state, as a seek asks: in the file first, then in memory.</summary>
    public void Reset(AckState state)
    {
        // Early acks belong to the deliveries before.
        _early.Clear();
        WriteAnew(state);
        State = state;
        foreach (var offset in _failures.Keys.Where(state.IsAcked).ToList())
        {
            _failures.Remove(offset);
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
        var gone = _failures.Keys.Where(offset => offset >= end).ToList();
        if (fitting.Cursor == State.Cursor && fitting.AckedAbove == State.AckedAbove && gone.Count == 0)
        {
            return false;
        }

        foreach (var offset in gone)
        {
            _failures.Remove(offset);
        }

        Reset(fitting);
        return true;
    }

    /// <summary>
    /// Syncs the acks that were written before the call. Of several callers each waits until its acks are synced.
    /// </summary>
    /// <param name="guard">Guards everything else here; not held while the disk works.</param>
    public void Sync(Lock guard)
    {
        lock (_syncing)
        {
            while (TakeUnsynced(guard) is var (file, length))
            {
                try
                {
                    Sync(file, length);
                    return;
                }
                catch (ObjectDisposedException)
                {
                    // It was closed meanwhile: deleted, or replaced by a file that is synced or else unsynced again.
                }
                catch
                {
                    lock (guard)
                    {
                        _unsynced = true;
                    }

                    throw;
                }
            }
        }
    }

    /// <summary>Its files, for whoever deletes them.</summary>
    public static IEnumerable<string> FilesOf(string path) => [path, MarkerPath(path)];

    public void Dispose()
    {
        _file?.Dispose();
        _marker.Dispose();
    }

    private static string MarkerPath(string path) => path + ".synced";

    // Only when the state in memory is that of the file: what is written anew is the state.
    private void CompactWhenLarge()
    {
        if (_length <= _compactAt)
        {
            return;
        }

        try
        {
            WriteAnew(State);
        }
        catch (IOException)
        {
            // The acks are in the old file all the same; it grows until there is room for a new one.
        }

        // A state with many gaps is large in itself: it is not written anew at every ack.
        _compactAt = Math.Max(CompactBytes, _length * 2);
    }

    private void Reserve(int runs)
    {
        if (_buffer.Length < FrameHeader + (runs * RunBytes))
        {
            _buffer = new byte[FrameHeader + (runs * RunBytes)];
        }
    }

    private void AppendFrame(int used)
    {
        SealFrame(_buffer.AsSpan(0, used));
        var file = EnsureFile();
        try
        {
            _files.Write(_path, file, _buffer.AsSpan(0, used), _length);
        }
        catch
        {
            file.SetLength(_length);
            throw;
        }

        _length += used;
        _unsynced = true;
    }

    // The file, which is not there before the first frame, and not open after a replacement that failed.
    private StoredFile EnsureFile()
    {
        if (_file is not null)
        {
            return _file;
        }

        if (_length > 0)
        {
            return _file = _files.Open(_path);
        }

        var first = FirstFrame(State, _failures, _early);
        var file = _files.Create(_path);
        try
        {
            _files.Write(_path, file, first, 0);
        }
        catch
        {
            file.Dispose();
            _files.Store.Delete(_path);
            throw;
        }

        _length = first.Length;
        return _file = file;
    }

    // Writes the file anew from a state. It keeps what it held when that fails.
    private void WriteAnew(AckState state)
    {
        var frame = FirstFrame(state, _failures, _early);
        try
        {
            _files.Replace(_path, frame, CloseFile);
            _length = frame.Length;
            _unsynced = false;
        }
        finally
        {
            _file ??= _files.Open(_path);
        }
    }

    private void CloseFile()
    {
        if (_file is { } file)
        {
            // A sync that is under way ends first.
            lock (file)
            {
                file.Dispose();
            }

            // If the replacement fails, the old file is opened again, and its acks are not known to be synced.
            _file = null;
            _unsynced = true;
        }
    }

    private (StoredFile File, long Length)? TakeUnsynced(Lock guard)
    {
        lock (guard)
        {
            if (!_unsynced || _file is null)
            {
                return null;
            }

            _unsynced = false;
            return (_file, _length);
        }
    }

    private void Sync(StoredFile file, long length)
    {
        // The first frame is never written again: a file that replaces this one begins with another.
        Span<byte> first = stackalloc byte[FrameHeader];
        file.Read(first, 0);
        _files.SyncDirectory(Path.GetDirectoryName(_path)!);
        _files.Sync(_path, file);
        _marker.Write(BinaryPrimitives.ReadInt64LittleEndian(first), length);
    }

    private static byte[] FirstFrame(AckState state, Dictionary<long, int> failures, HashSet<long> early)
    {
        var runs = state.Runs().ToList();
        runs.AddRange(failures.Where(failed => !state.IsAcked(failed.Key)).Select(failed => (failed.Key, -(long)failed.Value)));
        runs.AddRange(early.Select(offset => (~offset, 1L)));
        var frame = new byte[FrameHeader + ((runs.Count + 1) * RunBytes)];
        var used = FrameHeader;
        used += WriteRun(frame.AsSpan(used), 0, state.Cursor);
        foreach (var (first, count) in runs)
        {
            used += WriteRun(frame.AsSpan(used), first, count);
        }

        SealFrame(frame);
        return frame;
    }

    private static bool AnyIntact(ReadOnlySpan<byte> data)
    {
        for (; data.Length >= FrameHeader + RunBytes; data = data[1..])
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(data);
            if (length > 0 && length % RunBytes == 0 && length <= data.Length - FrameHeader
                && BinaryPrimitives.ReadUInt32LittleEndian(data[4..]) == Crc32.HashToUInt32(data.Slice(FrameHeader, length)))
            {
                return true;
            }
        }

        return false;
    }

    private static int WriteRun(Span<byte> target, long first, long count)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target, first);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], count);
        return RunBytes;
    }

    private static void SealFrame(Span<byte> frame)
    {
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - FrameHeader);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[4..], Crc32.HashToUInt32(frame[FrameHeader..]));
    }
}
