using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>The disk, with a record of what is opened and synced: "open PATH", "file PATH", "folder PATH".</summary>
internal sealed class RecordingStore : FileStore
{
    private readonly FileStore _disk = DiskFileStore.Instance;

    public List<string> Steps { get; } = [];

    public override StoredFile Open(string path, FileMode mode)
    {
        Steps.Add($"open {path}");
        return new RecordingFile(path, _disk.Open(path, mode), Steps);
    }

    public override bool Exists(string path) => _disk.Exists(path);

    public override byte[] ReadAllBytes(string path) => _disk.ReadAllBytes(path);

    public override void Move(string from, string to) => _disk.Move(from, to);

    public override void Delete(string path) => _disk.Delete(path);

    public override bool FolderExists(string path) => _disk.FolderExists(path);

    public override void CreateFolder(string path) => _disk.CreateFolder(path);

    public override void DeleteFolder(string path) => _disk.DeleteFolder(path);

    public override IReadOnlyList<string> FilesIn(string folder, string ending) => _disk.FilesIn(folder, ending);

    public override void SyncFolder(string path)
    {
        Steps.Add($"folder {path}");
        _disk.SyncFolder(path);
    }

    private sealed class RecordingFile(string path, StoredFile file, List<string> steps) : StoredFile
    {
        public override long Length => file.Length;

        public override void SetLength(long length) => file.SetLength(length);

        public override int Read(Span<byte> buffer, long position) => file.Read(buffer, position);

        public override void Write(ReadOnlySpan<byte> bytes, long position) => file.Write(bytes, position);

        public override void Flush()
        {
            steps.Add($"file {path}");
            file.Flush();
        }

        public override void Dispose() => file.Dispose();
    }
}
