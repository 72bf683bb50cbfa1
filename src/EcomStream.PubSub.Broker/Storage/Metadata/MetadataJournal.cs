using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Topics, subscriptions, snapshots and schemas on disk: broker.json holds all of them, and changes.broker.json what has changed since
/// it was written, one <see cref="JournalLine"/> per change, so that a change costs the same however many there are. The first line
/// names the broker.json that the changes belong to. Changes are serialized by the state of the broker; <see cref="Sync"/> may
/// run beside them. What a later version of the broker has written and this one does not know is kept.
/// </summary>
internal sealed class MetadataJournal : IDisposable
{
    // The journal is folded into broker.json when it has this size and is larger than that.
    private const int CompactBytes = 1 << 20;

    private static readonly JsonSerializerOptions _json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly string _metadataPath;
    private readonly string _path;
    private readonly BrokerFiles _files;
    private readonly SyncMarker _marker;
    private readonly MetadataTables _tables;
    private readonly Lock _lock = new();
    private readonly Lock _syncing = new();
    private StoredFile? _file;
    private long _generation;
    private long _length;
    private long _compactAt = CompactBytes;
    private bool _unsynced;
    private bool _isDisposed;

    private MetadataJournal(string metadataPath, BrokerFiles files, BrokerMetadata stored)
    {
        _metadataPath = metadataPath;
        _path = Path.Combine(Path.GetDirectoryName(metadataPath)!, "changes." + Path.GetFileName(metadataPath));
        _files = files;
        _marker = new SyncMarker(_path + ".synced", files.Store);
        _tables = new MetadataTables(stored);
        _generation = stored.Journal;
    }

    public int NextId => _tables.NextId;

    public IReadOnlyDictionary<int, BrokerMetadata.TopicEntry> Topics => _tables.Topics;

    public IReadOnlyDictionary<int, BrokerMetadata.SubscriptionEntry> Subscriptions => _tables.Subscriptions;

    public IReadOnlyDictionary<int, BrokerMetadata.SnapshotEntry> Snapshots => _tables.Snapshots;

    public IReadOnlyDictionary<int, BrokerMetadata.SchemaEntry> Schemas => _tables.Schemas;

    /// <summary>Whether a later version has written what this one does not know: there may be files that belong to it.</summary>
    public bool HasUnknown { get; private set; }

    /// <exception cref="BrokerStartException">A file is damaged; the message names it.</exception>
    public static MetadataJournal Open(string metadataPath, BrokerFiles files, ILogger logger)
    {
        var journal = new MetadataJournal(metadataPath, files, BrokerMetadata.Load(metadataPath, files.Store));
        var isThere = journal.Replay(logger);
        var unknown = journal._tables.ToMetadata(journal._generation).UnknownFields().Distinct().Order(StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
        {
            journal.HasUnknown = true;
            logger.LogWarning(
                "{File} holds what this version of the broker does not know: {Fields}. It is kept, and has no effect", metadataPath, string.Join(", ", unknown));
        }

        if (isThere)
        {
            journal.Compact();
        }

        return journal;
    }

    /// <summary>Whether the folder has never held topics.</summary>
    public bool IsNew => !_files.Store.Exists(_metadataPath) && _file is null;

    /// <summary>Writes a change, then applies it.</summary>
    /// <exception cref="IOException">The disk is full or broken; nothing has changed.</exception>
    /// <exception cref="ObjectDisposedException">It was closed; nothing has changed.</exception>
    public void Append(MetadataChange change)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_file is null)
            {
                Begin();
            }

            Write(JsonSerializer.SerializeToUtf8Bytes(change, _json));
            _tables.Apply(change);
            if (_length > _compactAt)
            {
                try
                {
                    Compact();
                }
                catch (IOException)
                {
                    // The changes are in the journal all the same; it grows until there is room.
                }

                _compactAt = Math.Max(CompactBytes, 2 * _length);
            }
        }
    }

    /// <summary>Makes the changes durable that were appended before the call.</summary>
    public void Sync()
    {
        // A second caller waits for the sync that is under way, and finds its changes synced then or syncs them.
        lock (_syncing)
        {
            StoredFile file;
            long length, generation;
            lock (_lock)
            {
                if (!_unsynced || _file is null)
                {
                    return;
                }

                (file, length, generation) = (_file, _length, _generation);
                _unsynced = false;
            }

            try
            {
                _files.SyncDirectory(Path.GetDirectoryName(_path)!);
                _files.Sync(_path, file);
                _marker.Write(generation, length);
            }
            catch (ObjectDisposedException)
            {
                // It was folded into broker.json meanwhile, which is synced.
            }
            catch
            {
                lock (_lock)
                {
                    _unsynced = true;
                }

                throw;
            }
        }
    }

    /// <summary>Folds the changes into broker.json.</summary>
    public void Compact()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);

            // The changes of another generation do not count: the journal is obsolete as soon as broker.json is replaced.
            var generation = _generation + 1;
            _tables.ToMetadata(generation).Save(_metadataPath, _files);
            _generation = generation;
            _file?.Dispose();
            _file = null;
            _length = 0;
            _unsynced = false;
            _files.Delete(_path);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _file?.Dispose();
            _marker.Dispose();
        }
    }

    private void Begin()
    {
        _file = _files.Create(_path);
        _length = 0;
        try
        {
            // The marker may be of a journal that was lost.
            _marker.Write(_generation, 0);
            Write(JsonSerializer.SerializeToUtf8Bytes(_generation));
        }
        catch
        {
            _file.Dispose();
            _file = null;
            throw;
        }
    }

    private void Write(byte[] json)
    {
        var line = JournalLine.Of(json);
        try
        {
            _files.Write(_path, _file!, line, _length);
        }
        catch
        {
            _file!.SetLength(_length);
            throw;
        }

        _length += line.Length;
        _unsynced = true;
    }

    // Applies the changes since broker.json was written. Returns whether there is a journal to fold in.
    private bool Replay(ILogger logger)
    {
        var marker = _path + ".synced";
        if (!_files.Store.Exists(_path))
        {
            if (_files.Store.Exists(_metadataPath) && SyncMarker.Read(_files.Store, marker, _generation) > 0)
            {
                throw new BrokerStartException(
                    $"{_path} is missing, although it was synced: it lists the topics and subscriptions that were created last. Restore a copy of the "
                    + $"broker's folder, or delete {marker} to continue without them; their messages are deleted then.");
            }

            return false;
        }

        var bytes = _files.Store.ReadAllBytes(_path);
        var at = 0;
        var isFirst = true;
        while (JournalLine.TryRead(bytes, ref at, out var json))
        {
            if (isFirst)
            {
                isFirst = false;
                var generation = JsonSerializer.Deserialize<long>(json);
                if (generation > _generation)
                {
                    throw new BrokerStartException(
                        $"{_metadataPath} is missing, or older than {_path}. Restore a copy of the broker's folder, or move the folder away to begin anew.");
                }

                if (generation < _generation)
                {
                    return true;
                }
            }
            else
            {
                _tables.Apply(JsonSerializer.Deserialize<MetadataChange>(json, _json)!);
            }
        }

        if (SyncMarker.Read(_files.Store, marker, _generation) > at)
        {
            throw new BrokerStartException(
                $"{_path} is damaged at byte {at}. Restore a copy of the broker's folder, or move the folder away to begin anew.");
        }

        if (at < bytes.Length)
        {
            logger.LogWarning("{File} ended in {Bytes} bytes of an unfinished write; they are cut off", _path, bytes.Length - at);
        }

        return true;
    }
}
