using System.Collections.Concurrent;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>Files in memory, which are gone with the process. A sync has nothing to do.</summary>
internal sealed class MemoryFileStore : FileStore
{
    // By folder, so that what a topic costs does not grow with the number of topics. A folder has no folders in it.
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, Content>> _folders = new(StringComparer.Ordinal);

    public override StoredFile Open(string path, FileMode mode)
    {
        var content = mode == FileMode.Open ? Find(path) : FolderOf(path).GetOrAdd(path, _ => new Content());
        if (mode == FileMode.Create)
        {
            content.SetLength(0);
        }

        return new MemoryFile(path, content);
    }

    public override bool Exists(string path) => FolderOf(path).ContainsKey(path);

    public override byte[] ReadAllBytes(string path)
    {
        var content = Find(path);
        var bytes = new byte[content.Length];
        content.Read(bytes, 0);
        return bytes;
    }

    public override void Move(string from, string to)
    {
        FolderOf(to)[to] = Find(from);
        Delete(from);
    }

    public override void Delete(string path) => FolderOf(path).TryRemove(path, out _);

    public override bool FolderExists(string path) => _folders.ContainsKey(path);

    public override void CreateFolder(string path) => _folders.TryAdd(path, new(StringComparer.Ordinal));

    public override void DeleteFolder(string path) => _folders.TryRemove(path, out _);

    public override IReadOnlyList<string> FilesIn(string folder, string ending) => _folders.TryGetValue(folder, out var files)
        ? [.. files.Keys.Where(file => file.EndsWith(ending, StringComparison.Ordinal)).Order(StringComparer.Ordinal)]
        : [];

    public override void SyncFolder(string path)
    {
    }

    private ConcurrentDictionary<string, Content> FolderOf(string path) =>
        _folders.GetOrAdd(Path.GetDirectoryName(path)!, _ => new(StringComparer.Ordinal));

    private Content Find(string path) =>
        FolderOf(path).TryGetValue(path, out var content) ? content : throw new FileNotFoundException($"There is no file {path} in memory.", path);

    /// <summary>Bytes in pieces, so that a file that grows is not copied. The first piece is small, for most files are.</summary>
    private sealed class Content
    {
        private const int PieceBytes = 64 << 10;
        private const int FirstBytes = 256;

        private readonly Lock _lock = new();
        private readonly List<byte[]> _pieces = [];
        private long _length;

        public long Length
        {
            get
            {
                lock (_lock)
                {
                    return _length;
                }
            }
        }

        public void SetLength(long length)
        {
            lock (_lock)
            {
                Reserve(length);
                var pieces = (int)((length + PieceBytes - 1) / PieceBytes);
                _pieces.RemoveRange(pieces, _pieces.Count - pieces);

                // What is appended next begins with zeros where it leaves a gap.
                if (_pieces.Count > 0 && length < _length)
                {
                    Array.Clear(_pieces[^1], (int)(length - ((_pieces.Count - 1L) * PieceBytes)), (int)(_pieces[^1].Length - (length - ((_pieces.Count - 1L) * PieceBytes))));
                }

                _length = length;
            }
        }

        public int Read(Span<byte> buffer, long position)
        {
            lock (_lock)
            {
                var count = (int)Math.Clamp(_length - position, 0, buffer.Length);
                for (var read = 0; read < count;)
                {
                    var (piece, at) = Math.DivRem(position + read, PieceBytes);
                    var part = (int)Math.Min(count - read, PieceBytes - at);
                    _pieces[(int)piece].AsSpan((int)at, part).CopyTo(buffer[read..]);
                    read += part;
                }

                return count;
            }
        }

        public void Write(ReadOnlySpan<byte> bytes, long position)
        {
            lock (_lock)
            {
                Reserve(position + bytes.Length);
                _length = Math.Max(_length, position + bytes.Length);
                while (!bytes.IsEmpty)
                {
                    var (piece, at) = Math.DivRem(position, PieceBytes);
                    var part = (int)Math.Min(bytes.Length, PieceBytes - at);
                    bytes[..part].CopyTo(_pieces[(int)piece].AsSpan((int)at));
                    bytes = bytes[part..];
                    position += part;
                }
            }
        }

        private void Reserve(long length)
        {
            if (length <= PieceBytes)
            {
                if (_pieces.Count == 0)
                {
                    _pieces.Add([]);
                }

                if (_pieces[0].Length < length)
                {
                    Resize((int)Math.Min(PieceBytes, Math.Max(FirstBytes, Math.Max(length, 2L * _pieces[0].Length))));
                }

                return;
            }

            if (_pieces.Count > 0 && _pieces[0].Length < PieceBytes)
            {
                Resize(PieceBytes);
            }

            while ((long)_pieces.Count * PieceBytes < length)
            {
                _pieces.Add(new byte[PieceBytes]);
            }
        }

        private void Resize(int bytes)
        {
            var first = _pieces[0];
            Array.Resize(ref first, bytes);
            _pieces[0] = first;
        }
    }

    private sealed class MemoryFile(string path, Content content) : StoredFile
    {
        private volatile bool _closed;

        public override long Length => Open.Length;

        private Content Open => _closed ? throw new ObjectDisposedException(path) : content;

        public override void SetLength(long length) => Open.SetLength(length);

        public override int Read(Span<byte> buffer, long position) => Open.Read(buffer, position);

        public override void Write(ReadOnlySpan<byte> bytes, long position) => Open.Write(bytes, position);

        public override void Flush() => _ = Open;

        public override void Dispose() => _closed = true;
    }
}
