using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Topics, subscriptions, snapshots and schemas on disk: broker.json holds all of them, and changes.broker.json what has changed since
/// it was written, one line per change, so that a change costs the same however many there are. A line is the CRC-32 of its
/// JSON in hexadecimal, a space, and the JSON. The first line names the broker.json that the changes belong to. Changes are
/// serialized by the state of the broker; <see cref="Sync"/> may run beside them.
/// </summary>
internal sealed class MetadataJournal : IDisposable
{
    // The journal is folded into broker.json when it has this size and is larger than that.
    private const int CompactBytes = 1 << 20;
    private const int ChecksumChars = 8;

    private static readonly JsonSerializerOptions _json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly string _metadataPath;
    private readonly string _path;
    private readonly BrokerFiles _files;
    private readonly SyncMarker _marker;
    private readonly Lock _lock = new();
    private readonly Lock _syncing = new();
    private StoredFile? _file;
    private long _generation;
    private long _length;
    private long _compactAt = CompactBytes;
    private bool _unsynced;

    private MetadataJournal(string metadataPath, BrokerFiles files)
    {
        _metadataPath = metadataPath;
        _path = Path.Combine(Path.GetDirectoryName(metadataPath)!, "changes." + Path.GetFileName(metadataPath));
        _files = files;
        _marker = new SyncMarker(_path + ".synced", files.Store);
    }

    public int NextId { get; private set; } = 1;

    public Dictionary<int, BrokerMetadata.TopicEntry> Topics { get; } = [];

    public Dictionary<int, BrokerMetadata.SubscriptionEntry> Subscriptions { get; } = [];

    public Dictionary<int, BrokerMetadata.SnapshotEntry> Snapshots { get; } = [];

    public Dictionary<int, BrokerMetadata.SchemaEntry> Schemas { get; } = [];

    /// <exception cref="BrokerStartException">A file is damaged; the message names it.</exception>
    public static MetadataJournal Open(string metadataPath, BrokerFiles files, ILogger logger)
    {
        var journal = new MetadataJournal(metadataPath, files);
        var metadata = BrokerMetadata.Load(metadataPath, files.Store);
        journal._generation = metadata.Journal;
        journal.NextId = metadata.NextId;
        foreach (var entry in metadata.Topics)
        {
            journal.Topics.Add(entry.Id, entry);
        }

        foreach (var entry in metadata.Subscriptions)
        {
            journal.Subscriptions.Add(entry.Id, entry);
        }

        foreach (var entry in metadata.Snapshots)
        {
            journal.Snapshots.Add(entry.Id, entry);
        }

        foreach (var entry in metadata.Schemas)
        {
            journal.Schemas.Add(entry.Id, entry);
        }

        if (journal.Replay(logger))
        {
            journal.Compact();
        }

        return journal;
    }

    /// <summary>Whether the folder has never held topics.</summary>
    public bool IsNew => !_files.Store.Exists(_metadataPath) && _file is null;

    /// <summary>Writes a change, then applies it.</summary>
    /// <exception cref="IOException">The disk is full or broken; nothing has changed.</exception>
    public void Append(MetadataChange change)
    {
        lock (_lock)
        {
            if (_file is null)
            {
                Begin();
            }

            Write(JsonSerializer.SerializeToUtf8Bytes(change, _json));
            Apply(change);
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
            // The changes of another generation do not count: the journal is obsolete as soon as broker.json is replaced.
            var generation = _generation + 1;
            var metadata = new BrokerMetadata
            {
                Journal = generation,
                NextId = NextId,
                Topics = [.. Topics.Values.OrderBy(entry => entry.Id)],
                Subscriptions = [.. Subscriptions.Values.OrderBy(entry => entry.Id)],
                Snapshots = [.. Snapshots.Values.OrderBy(entry => entry.Id)],
                Schemas = [.. Schemas.Values.OrderBy(entry => entry.Id)],
            };
            metadata.Save(_metadataPath, _files);
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
        _file?.Dispose();
        _marker.Dispose();
    }

    private void Begin()
    {
        _file = _files.Create(_path);
        _length = 0;
        try
        {
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
        var line = new byte[ChecksumChars + 1 + json.Length + 1];
        Encoding.ASCII.GetBytes(Crc32.HashToUInt32(json).ToString("x8", CultureInfo.InvariantCulture), line);
        line[ChecksumChars] = (byte)' ';
        json.CopyTo(line, ChecksumChars + 1);
        line[^1] = (byte)'\n';
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

    private void Apply(MetadataChange change)
    {
        NextId = change.NextId ?? NextId;
        Set(Topics, change.Topic?.Id, change.Topic, change.RemovedTopic);
        Set(Subscriptions, change.Subscription?.Id, change.Subscription, change.RemovedSubscription);
        Set(Snapshots, change.Snapshot?.Id, change.Snapshot, change.RemovedSnapshot);
        Set(Schemas, change.Schema?.Id, change.Schema, change.RemovedSchema);
    }

    private static void Set<T>(Dictionary<int, T> entries, int? id, T? entry, int? removed)
        where T : class
    {
        if (entry is not null)
        {
            entries[id!.Value] = entry;
        }

        if (removed is { } gone)
        {
            entries.Remove(gone);
        }
    }

    // Applies the changes since broker.json was written. Returns whether there is a journal to fold in.
    private bool Replay(ILogger logger)
    {
        if (!_files.Store.Exists(_path))
        {
            return false;
        }

        var bytes = _files.Store.ReadAllBytes(_path);
        var at = 0;
        var isFirst = true;
        while (TryReadLine(bytes, ref at, out var json))
        {
            if (isFirst)
            {
                isFirst = false;
                if (JsonSerializer.Deserialize<long>(json) != _generation)
                {
                    return true;
                }
            }
            else
            {
                Apply(JsonSerializer.Deserialize<MetadataChange>(json, _json)!);
            }
        }

        if (at < bytes.Length)
        {
            var mayBeUnsynced = SyncMarker.Read(_files.Store, _path + ".synced", _generation) is not { } synced || synced <= at;
            if (!mayBeUnsynced)
            {
                throw new BrokerStartException(
                    $"{_path} is damaged at byte {at}. Restore a copy of the broker's folder, or move the folder away to begin anew.");
            }

            logger.LogWarning("{File} ended in {Bytes} bytes of an unfinished write; they are cut off", _path, bytes.Length - at);
        }

        return true;
    }

    private static bool TryReadLine(byte[] bytes, ref int at, out ReadOnlySpan<byte> json)
    {
        json = default;
        var rest = bytes.AsSpan(at);
        var end = rest.IndexOf((byte)'\n');
        if (end <= ChecksumChars + 1
            || !uint.TryParse(rest[..ChecksumChars], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var checksum)
            || Crc32.HashToUInt32(rest[(ChecksumChars + 1)..end]) != checksum)
        {
            return false;
        }

        json = rest[(ChecksumChars + 1)..end];
        at += end + 1;
        return true;
    }
}
