namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// How one broker writes to its folder: the one place where a disk can refuse. A sync that fails is final: the operating
/// system may have dropped what it could not write, reports that once per open file, and calls the next sync a success
/// (https://wiki.postgresql.org/wiki/Fsync_Errors). So nothing more is written or synced until the folder is opened again.
/// Names are durable once their directory is synced (a file's own sync does not cover its name: fsync(2)).
/// </summary>
/// <param name="beforeWrite">Called with the path and the bytes of each write; what it throws is the disk's refusal.</param>
/// <param name="afterSync">Called with the path and how many of its bytes a power cut can no longer take.</param>
/// <param name="beforeMove">Called with the old and the new path before a file is renamed.</param>
/// <param name="store">Where the files are; on the disk when left out.</param>
internal sealed class BrokerFiles(
    Action<string, long>? beforeWrite = null, Action<string, long>? afterSync = null, Action<string, string>? beforeMove = null,
    FileStore? store = null)
{
    private readonly Lock _directories = new();
    private readonly HashSet<string> _unsyncedDirectories = new(StringComparer.Ordinal);
    private volatile IOException? _failure;

    /// <summary>The sync that has failed; null while all have succeeded.</summary>
    public IOException? Failure => _failure;

    /// <summary>Where the files are.</summary>
    public FileStore Store { get; } = store ?? DiskFileStore.Instance;

    /// <summary>The same disk for a broker that opens its folder, without the failure of an earlier one.</summary>
    public BrokerFiles Reopened() => new(beforeWrite, afterSync, beforeMove, Store);

    /// <exception cref="IOException">The disk is full or broken; the file may hold a part of the bytes.</exception>
    public void Write(string path, StoredFile file, ReadOnlySpan<byte> bytes, long position)
    {
        ThrowIfFailed();
        beforeWrite?.Invoke(path, bytes.Length);
        file.Write(bytes, position);
    }

    /// <summary>Makes what was written durable. Of several callers each waits until a sync after its call has ended.</summary>
    /// <exception cref="IOException">The disk is broken, now or before.</exception>
    /// <exception cref="ObjectDisposedException">The file was closed.</exception>
    public void Sync(string path, StoredFile file)
    {
        // Two syncs of one file at a time would share one report of an error.
        lock (file)
        {
            ThrowIfFailed();
            try
            {
                Flush(path, file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw Fail(path, error);
            }
        }
    }

    /// <summary>Creates a folder, if it is not there. Its name is durable after <see cref="SyncDirectory"/> of its parent.</summary>
    public void CreateFolder(string path)
    {
        if (!Store.FolderExists(path))
        {
            ThrowIfFailed();
            beforeWrite?.Invoke(path, 0);
            Store.CreateFolder(path);
            AddUnsynced(path);
        }
    }

    /// <summary>
    /// Creates an empty file, or empties the one that is there. Its name is durable after <see cref="SyncDirectory"/> of its
    /// folder.
    /// </summary>
    public StoredFile Create(string path)
    {
        ThrowIfFailed();
        beforeWrite?.Invoke(path, 0);
        var file = Store.Open(path, FileMode.Create);
        AddUnsynced(path);
        return file;
    }

    /// <summary>Opens a file that exists.</summary>
    public StoredFile Open(string path) => Store.Open(path, FileMode.Open);

    /// <summary>
    /// Replaces a file as a whole: after a crash it holds the old bytes or the new ones. The file must not be open, because
    /// Windows replaces no open file.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">What it is to hold.</param>
    /// <param name="closeOld">Closes the file if it is open; called once the new one is complete.</param>
    /// <exception cref="IOException">The file holds what it held before.</exception>
    public void Replace(string path, ReadOnlySpan<byte> bytes, Action? closeOld = null)
    {
        ThrowIfFailed();
        var temporary = path + ".new";
        try
        {
            using (var file = Store.Open(temporary, FileMode.Create))
            {
                Write(path, file, bytes, 0);

                // Nothing depends on the new file yet, so a failure is not final.
                Flush(temporary, file);
            }

            closeOld?.Invoke();
            beforeMove?.Invoke(temporary, path);
            Store.Move(temporary, path);
        }
        catch
        {
            Store.Delete(temporary);
            throw;
        }

        AddUnsynced(path);
        SyncDirectory(Path.GetDirectoryName(path)!);
        afterSync?.Invoke(path, bytes.Length);
    }

    /// <summary>Makes the names in a directory durable that were created or deleted since the last time.</summary>
    /// <exception cref="IOException">The disk is broken.</exception>
    public void SyncDirectory(string directory)
    {
        lock (_directories)
        {
            ThrowIfFailed();
            if (_unsyncedDirectories.Contains(directory))
            {
                try
                {
                    Store.SyncFolder(directory);
                }
                catch (IOException error)
                {
                    throw Fail(directory, error);
                }

                _unsyncedDirectories.Remove(directory);
            }
        }
    }

    /// <summary>Deletes a file, if it is there. Its end is durable after <see cref="SyncDirectory"/> of its folder.</summary>
    public void Delete(string path)
    {
        beforeWrite?.Invoke(path, 0);
        Store.Delete(path);
        AddUnsynced(path);
    }

    /// <summary>Deletes a folder with everything in it. Its end is durable after <see cref="SyncDirectory"/> of its parent.</summary>
    public void DeleteFolder(string path)
    {
        beforeWrite?.Invoke(path, 0);
        Store.DeleteFolder(path);
        AddUnsynced(path);
    }

    private void Flush(string path, StoredFile file)
    {
        var length = afterSync is null ? 0 : file.Length;
        file.Flush();
        afterSync?.Invoke(path, length);
    }

    private void AddUnsynced(string path)
    {
        lock (_directories)
        {
            _unsyncedDirectories.Add(Path.GetDirectoryName(path)!);
        }
    }

    private void ThrowIfFailed()
    {
        if (_failure is { } failure)
        {
            throw new IOException(failure.Message, failure);
        }
    }

    private IOException Fail(string path, Exception error)
    {
        var failure = new IOException($"{path} could not be synced ({error.Message.TrimEnd('.')}). Start the broker again.", error);
        return Interlocked.CompareExchange(ref _failure, failure, null) ?? failure;
    }
}
