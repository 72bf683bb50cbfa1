namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// The file of one subscription's acks: frames are appended, and when it has grown it is replaced as a whole. Guarded by its
/// subscription.
/// </summary>
internal sealed class AckFile : IDisposable
{
    private const int CompactBytes = 1 << 20;

    private readonly string _path;
    private readonly BrokerFiles _files;
    private readonly SyncMarker _marker;
    private readonly Lock _syncing = new();
    private StoredFile? _file;

    // The first frame, until the file is created.
    private byte[]? _firstFrame;
    private long _length;
    private long _compactAt = CompactBytes;
    private bool _unsynced;
    private bool _isDisposed;

    private AckFile(string path, StoredFile? file, long length, BrokerFiles files)
    {
        (_path, _file, _length, _files) = (path, file, length, files);
        _marker = new SyncMarker(MarkerPath(path), files.Store);
    }

    /// <summary>Whether it has grown so that it is worth replacing.</summary>
    public bool IsLarge => _length > _compactAt;

    /// <summary>
    /// A new file. It is created when something is first written to it: many subscriptions never get an ack, and files take time
    /// to create.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="firstFrame">Its first frame.</param>
    /// <param name="files">How it is written.</param>
    public static AckFile New(string path, byte[] firstFrame, BrokerFiles files) => new(path, null, 0, files) { _firstFrame = firstFrame };

    /// <summary>Opens a file and cuts off what follows its intact frames.</summary>
    /// <param name="path">The file.</param>
    /// <param name="length">Bytes of its intact frames.</param>
    /// <param name="files">How it is written.</param>
    public static AckFile Open(string path, int length, BrokerFiles files)
    {
        var file = files.Open(path);
        if (file.Length > length)
        {
            file.SetLength(length);
        }

        return new AckFile(path, file, length, files);
    }

    /// <summary>Appends a frame.</summary>
    /// <exception cref="IOException">The disk is full or broken; nothing was appended.</exception>
    /// <exception cref="ObjectDisposedException">It was closed; nothing was created or appended.</exception>
    public void Append(ReadOnlySpan<byte> frame)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);

        // After a replacement that failed it is not open.
        var file = _file ??= _firstFrame is { } first ? Create(first) : _files.Open(_path);
        try
        {
            _files.Write(_path, file, frame, _length);
        }
        catch
        {
            file.SetLength(_length);
            throw;
        }

        _length += frame.Length;
        _unsynced = true;
    }

    /// <summary>Replaces the file by one with a single frame, which is durable.</summary>
    /// <exception cref="IOException">The file holds what it held before.</exception>
    /// <exception cref="ObjectDisposedException">It was closed; the file holds what it held before.</exception>
    public void Replace(ReadOnlySpan<byte> firstFrame)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        try
        {
            _files.Replace(_path, firstFrame, CloseFile);
            _length = firstFrame.Length;
            _firstFrame = null;
            _unsynced = false;
        }
        finally
        {
            _file ??= _firstFrame is null ? _files.Open(_path) : null;
        }
    }

    /// <summary>Lets it grow to twice its present size before it is large again.</summary>
    public void AllowGrowth() => _compactAt = Math.Max(CompactBytes, _length * 2);

    /// <summary>Syncs what was written before the call. Of several callers each waits until its frames are synced.</summary>
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

    /// <summary>The <see cref="SyncMarker"/> of a file.</summary>
    public static string MarkerPath(string path) => path + ".synced";

    public void Dispose()
    {
        _isDisposed = true;
        _file?.Dispose();
        _marker.Dispose();
    }

    private StoredFile Create(byte[] firstFrame)
    {
        var file = _files.Create(_path);
        try
        {
            _files.Write(_path, file, firstFrame, 0);
        }
        catch
        {
            file.Dispose();
            _files.Store.Delete(_path);
            throw;
        }

        (_firstFrame, _length) = (null, firstFrame.Length);
        return file;
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

            // If the replacement fails, the old file is opened again, and its frames are not known to be synced.
            _file = null;
            _unsynced = true;
        }
    }

    private (StoredFile File, long Length)? TakeUnsynced(Lock guard)
    {
        lock (guard)
        {
            if (!_unsynced || _file is null || _isDisposed)
            {
                return null;
            }

            _unsynced = false;
            return (_file, _length);
        }
    }

    private void Sync(StoredFile file, long length)
    {
        Span<byte> first = stackalloc byte[AckFrame.HeaderBytes];
        file.Read(first, 0);
        _files.SyncDirectory(Path.GetDirectoryName(_path)!);
        _files.Sync(_path, file);
        _marker.Write(AckFrame.Generation(first), length);
    }
}
