namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// One file of a topic's log: records one after the other, named by the offset of the first. Its <see cref="SegmentIndex"/> is
/// written beside it when it is full, so that opening a large log reads only its last segment.
/// </summary>
internal sealed class LogSegment : IDisposable
{
    private const int WindowBytes = 4096;

    private readonly BrokerFiles _files;
    private StoredFile? _created;
    private SegmentIndex _index = new();
    private bool _isDisposed;

    private LogSegment(string path, long baseOffset, StoredFile? file, BrokerFiles files)
    {
        Path = path;
        _files = files;
        BaseOffset = baseOffset;
        _created = file;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Offset of the first record.</summary>
    public long BaseOffset { get; }

    /// <summary>Offset after the last record.</summary>
    public long EndOffset => BaseOffset + Count;

    /// <inheritdoc cref="SegmentIndex.Count"/>
    public long Count => _index.Count;

    /// <inheritdoc cref="SegmentIndex.Length"/>
    public long Length => _index.Length;

    /// <inheritdoc cref="SegmentIndex.LastPublishMicros"/>
    public long LastPublishMicros => _index.LastPublishMicros;

    /// <summary>Whether its file was created.</summary>
    public bool HasFile => _created is not null;

    /// <summary>The first segment of a log that never had a message: many topics never get one, and files take time to create.</summary>
    public static LogSegment WithoutFile(string folder, BrokerFiles files) => new(SegmentName.PathOf(folder, 0), 0, null, files);

    public static LogSegment Create(string folder, long baseOffset, BrokerFiles files) =>
        new(SegmentName.PathOf(folder, baseOffset), baseOffset, files.Create(SegmentName.PathOf(folder, baseOffset)), files);

    /// <summary>Opens a segment that others follow, by its index; without a usable index it is read through.</summary>
    public static LogSegment OpenSealed(string path, BrokerFiles files)
    {
        var segment = new LogSegment(path, SegmentName.OffsetOf(path), files.Open(path), files);
        if (!segment.TryLoadIndex() && segment.Scan() is { } damagedAt)
        {
            segment.Dispose();
            throw Damaged(path, damagedAt);
        }

        return segment;
    }

    /// <summary>Opens the last segment: it is read through, and what a crash left unfinished at its end is cut off.</summary>
    /// <param name="path">The file.</param>
    /// <param name="files">How it is written.</param>
    /// <param name="markerPath">The <see cref="SyncMarker"/> that may say how far it was synced.</param>
    /// <param name="cut">How many bytes were cut off.</param>
    /// <exception cref="BrokerStartException">
    /// Intact messages follow the damage, which was written before the last sync: it is not an unfinished write.
    /// </exception>
    public static LogSegment OpenLast(string path, BrokerFiles files, string markerPath, out long cut)
    {
        var segment = new LogSegment(path, SegmentName.OffsetOf(path), files.Open(path), files);
        var size = segment.File.Length;
        segment.Scan();
        cut = size - segment.Length;
        if (cut > 0)
        {
            var mayBeUnsynced = SyncMarker.Read(files.Store, markerPath, segment.BaseOffset) <= segment.Length;
            if (!mayBeUnsynced && segment.IsFollowedByMessages(cut))
            {
                segment.Dispose();
                throw Damaged(path, segment.Length);
            }

            segment.File.SetLength(segment.Length);
        }

        return segment;
    }

    /// <summary>Creates the file of a segment without one, and its folder.</summary>
    /// <exception cref="IOException">The disk is full or broken, or access is denied.</exception>
    /// <exception cref="ObjectDisposedException">The log was closed; nothing was created.</exception>
    public void CreateFile()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        _files.CreateFolder(System.IO.Path.GetDirectoryName(Path)!);
        _created = _files.Create(Path);
    }

    /// <summary>Appends sealed records.</summary>
    /// <exception cref="IOException">Nothing was appended: what was written of it is cut off again.</exception>
    public void Append(ReadOnlySpan<byte> records, ReadOnlySpan<int> sizes, long lastPublishMicros)
    {
        try
        {
            _files.Write(Path, File, records, Length);
        }
        catch
        {
            File.SetLength(Length);
            throw;
        }

        foreach (var size in sizes)
        {
            _index.Add(size);
        }

        _index.LastPublishMicros = lastPublishMicros;
    }

    public int Read(long position, Span<byte> buffer) =>
        Length == 0 ? 0 : File.Read(buffer[..(int)Math.Min(buffer.Length, Math.Max(0, Length - position))], position);

    /// <summary>A position at or before the record with this offset, and that record's offset.</summary>
    public (long Position, long Offset) Nearest(long offset)
    {
        var (position, record) = _index.Nearest(offset - BaseOffset);
        return (position, BaseOffset + record);
    }

    /// <summary>Offset of the first record published at or after a time; <see cref="EndOffset"/> when none is.</summary>
    public long OffsetAt(long publishMicros)
    {
        // The last entry of the index that stands before the time, then record by record.
        var (position, record) = _index.Before(publishMicros, at => HeaderAt(at).PublishMicros);
        var offset = BaseOffset + record;
        while (offset < EndOffset)
        {
            var (payload, micros) = HeaderAt(position);
            if (micros >= publishMicros)
            {
                return offset;
            }

            position += LogRecord.Size(payload);
            offset++;
        }

        return EndOffset;
    }

    /// <summary>Publish time of one of its records, microseconds since the Unix epoch.</summary>
    public long PublishMicros(long offset)
    {
        // The headers up to it, as many as there are in each window.
        var (position, at) = Nearest(offset);
        Span<byte> buffer = stackalloc byte[WindowBytes];
        var (start, filled) = (position, 0);
        while (true)
        {
            if (position - start > filled - LogRecord.HeaderBytes)
            {
                start = position;
                filled = File.Read(buffer, position);
                if (filled < LogRecord.HeaderBytes)
                {
                    throw DamagedAt(position);
                }
            }

            var (payload, micros) = LogRecord.Header(buffer[(int)(position - start)..filled]);
            if (at == offset)
            {
                return micros;
            }

            if (payload is < 0 or > LogRecord.LongestPayload)
            {
                throw DamagedAt(position);
            }

            position += LogRecord.Size(payload);
            at++;
        }
    }

    public void Sync() => _files.Sync(Path, File);

    /// <summary>No more records: writes the index beside the file.</summary>
    public void Seal() => _files.Replace(SegmentName.IndexPathOf(Path), _index.ToBytes());

    public void Delete()
    {
        Dispose();
        _files.Store.Delete(SegmentName.IndexPathOf(Path));
        _files.Store.Delete(Path);
    }

    public void Dispose()
    {
        _isDisposed = true;
        _created?.Dispose();
    }

    // Only appends reach a segment without messages.
    private StoredFile File => _created ?? throw new InvalidOperationException($"{Path} was not created.");

    private static BrokerStartException Damaged(string path, long at) => new(
        $"The log {path} is damaged at byte {at}, with messages behind it. Restore a copy of the broker's folder, or continue without the damaged messages: ecomstream broker repair, or BrokerRepair.Repair.");

    private (int PayloadLength, long PublishMicros) HeaderAt(long position)
    {
        Span<byte> header = stackalloc byte[LogRecord.HeaderBytes];
        return File.Read(header, position) == header.Length
            ? LogRecord.Header(header)
            : throw DamagedAt(position);
    }

    private InvalidDataException DamagedAt(long position) => new($"The log {Path} is damaged at byte {position}.");

    private bool TryLoadIndex()
    {
        if (!_files.Store.Exists(SegmentName.IndexPathOf(Path)) || SegmentIndex.Read(_files.Store.ReadAllBytes(SegmentName.IndexPathOf(Path)), File.Length) is not { } index)
        {
            return false;
        }

        _index = index;
        return true;
    }

    // Zeros are pages of a write that a power cut left out, and what stands behind them was not synced either.
    private bool IsFollowedByMessages(long bytes)
    {
        var rest = new byte[bytes];
        var filled = 0;
        while (filled < rest.Length && File.Read(rest.AsSpan(filled), Length + filled) is > 0 and var read)
        {
            filled += read;
        }

        var zeros = rest.AsSpan(0, Math.Min(rest.Length, LogRecord.HeaderBytes)).IndexOfAnyExcept((byte)0) < 0;
        return !zeros && LogRecord.AnyIntact(rest.AsSpan(1), LastPublishMicros);
    }

    // Reads whole records from the start. Returns where the first one that is not intact stands; null when all are.
    private long? Scan()
    {
        var size = File.Length;
        var buffer = new byte[1 << 20];
        long filled = 0, start = 0;
        while (Length < size)
        {
            // The window [start, start + filled) of the file is in the buffer.
            var at = (int)(Length - start);
            var have = filled - at;
            var need = LogRecord.HeaderBytes;
            if (have >= LogRecord.HeaderBytes)
            {
                var (payload, publishMicros) = LogRecord.Header(buffer.AsSpan(at));
                if (payload is < 0 or > LogRecord.LongestPayload)
                {
                    return Length;
                }

                need = LogRecord.Size(payload);
                if (have >= need)
                {
                    if (!LogRecord.IsIntact(buffer.AsSpan(at, need)))
                    {
                        return Length;
                    }

                    _index.LastPublishMicros = publishMicros;
                    _index.Add(need);
                    continue;
                }
            }

            if (Length + need > size)
            {
                return Length;
            }

            if (need > buffer.Length)
            {
                buffer = new byte[need];
            }

            start = Length;
            filled = File.Read(buffer, start);
        }

        return null;
    }
}
