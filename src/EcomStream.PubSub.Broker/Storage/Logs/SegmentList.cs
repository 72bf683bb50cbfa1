using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>The segments of one log, oldest first; one at least. Guarded by its log.</summary>
internal sealed class SegmentList : IDisposable
{
    private readonly string _folder;
    private readonly BrokerFiles _files;
    private readonly SyncMarker _marker;
    private readonly long _segmentBytes;
    private readonly List<LogSegment> _segments = [];

    private SegmentList(string folder, long segmentBytes, BrokerFiles files)
    {
        (_folder, _segmentBytes, _files) = (folder, segmentBytes, files);
        _marker = new SyncMarker(MarkerPath(folder), files.Store);
    }

    public LogSegment First => _segments[0];

    public LogSegment Last => _segments[^1];

    /// <summary>Publish time of the last message, microseconds since the Unix epoch; 0 without one.</summary>
    public long LastPublishMicros => _segments.Max(segment => segment.LastPublishMicros);

    /// <summary>Those that get no more messages.</summary>
    public IReadOnlyList<LogSegment> Full => _segments.GetRange(0, _segments.Count - 1);

    /// <summary>Opens the segments in a folder. Without any there is one whose file is created with the first message.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="segmentBytes">The size from which a segment is full.</param>
    /// <param name="files">How they are written.</param>
    /// <param name="logger">Where what was cut off is logged.</param>
    /// <exception cref="BrokerStartException">One is damaged or missing; the message says where.</exception>
    public static SegmentList Open(string folder, long segmentBytes, BrokerFiles files, ILogger logger)
    {
        var list = new SegmentList(folder, segmentBytes, files);
        var paths = files.Store.FolderExists(folder) ? files.Store.FilesIn(folder, ".log") : [];
        for (var i = 0; i < paths.Count; i++)
        {
            if (i < paths.Count - 1)
            {
                list._segments.Add(LogSegment.OpenSealed(paths[i], files));
                continue;
            }

            list._segments.Add(LogSegment.OpenLast(paths[i], files, MarkerPath(folder), out var cut));
            if (cut > 0)
            {
                logger.LogWarning("{File} ended in {Bytes} bytes of an unfinished write, which was never acknowledged; they are cut off", paths[i], cut);
            }
        }

        if (list._segments.Count == 0)
        {
            list._segments.Add(LogSegment.WithoutFile(folder, files));
        }

        list.CheckNoneIsMissing();
        return list;
    }

    /// <summary>The segment that holds an offset; null when it has been deleted or not been written.</summary>
    public LogSegment? Find(long offset)
    {
        for (var i = _segments.Count - 1; i >= 0; i--)
        {
            if (offset >= _segments[i].BaseOffset)
            {
                return offset < _segments[i].EndOffset ? _segments[i] : null;
            }
        }

        return null;
    }

    /// <summary>The first segment with a message published at or after a time; null when there is none.</summary>
    public LogSegment? FindPublishedSince(long publishMicros) =>
        _segments.Find(segment => segment.Count > 0 && segment.LastPublishMicros >= publishMicros);

    /// <summary>The segment for so many bytes: the last one, or a new one if that is full.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="first">The offset of the first message in them.</param>
    public LogSegment For(int bytes, long first)
    {
        if (!Last.HasFile)
        {
            Last.CreateFile();
            _marker.Write(Last.BaseOffset, 0);
        }

        if (Last.Length == 0 || Last.Length + bytes <= _segmentBytes)
        {
            return Last;
        }

        Last.Sync();
        Last.Seal();
        var segment = LogSegment.Create(_folder, first, _files);

        // The file before it is complete, so that the name of this one must not be lost alone.
        SyncNames();
        _marker.Write(first, 0);
        _segments.Add(segment);
        return segment;
    }

    /// <summary>Syncs a segment up to a length, with the names of its file and folder. Not guarded: appending goes on meanwhile.</summary>
    public void Sync(LogSegment segment, long length)
    {
        SyncNames();
        segment.Sync();
        _marker.Write(segment.BaseOffset, length);
    }

    /// <summary>Deletes the full segments whose messages all stand before an offset.</summary>
    public void DeleteBefore(long offset)
    {
        while (_segments.Count > 1 && First.EndOffset <= offset)
        {
            First.Delete();
            _segments.RemoveAt(0);
        }
    }

    public void Dispose()
    {
        _segments.ForEach(segment => segment.Dispose());
        _marker.Dispose();
    }

    private static string MarkerPath(string folder) => Path.Combine(folder, "synced");

    private void SyncNames()
    {
        _files.SyncDirectory(Path.GetDirectoryName(_folder)!);
        _files.SyncDirectory(_folder);
    }

    private void CheckNoneIsMissing()
    {
        for (var i = 1; i < _segments.Count; i++)
        {
            var (expected, found) = (_segments[i - 1].EndOffset, _segments[i].BaseOffset);
            if (expected != found)
            {
                var path = _segments[i].Path;
                Dispose();
                var readable = string.Join(", ", _segments.Where(segment => segment.Count > 0).Select(segment => $"{segment.BaseOffset} to {segment.EndOffset - 1}"));
                throw new BrokerStartException(
                    $"The log is not whole before {path}: the message at offset {expected} is expected next, this file begins with {found}. The messages at the offsets {readable} can be read. Restore a copy of the broker's folder, or continue without the damaged messages: ecomstream broker repair, or BrokerRepair.Repair.");
            }
        }
    }
}
