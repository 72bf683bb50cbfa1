using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Files of the operating system. Denied access is reported as <see cref="IOException"/>, like every other refusal of the disk.
/// </summary>
internal sealed class DiskFileStore : FileStore
{
    public static readonly DiskFileStore Instance = new();

    // errno.h: the errors of fsync that mean lost data. Others say that a directory cannot be synced on this file system.
    private const int InputOutputError = 5;
    private const int NoSpace = 28;
    private static readonly int _quotaExceeded = OperatingSystem.IsMacOS() ? 69 : 122;

    public override StoredFile Open(string path, FileMode mode) =>
        new DiskFile(Try(() => File.OpenHandle(path, mode, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete)));

    public override bool Exists(string path) => File.Exists(path);

    public override byte[] ReadAllBytes(string path) => Try(() => File.ReadAllBytes(path));

    public override void Move(string from, string to) => Try(() => File.Move(from, to, overwrite: true));

    public override void Delete(string path) => Try(() => File.Delete(path));

    public override bool FolderExists(string path) => Directory.Exists(path);

    public override void CreateFolder(string path) => Try(() => Directory.CreateDirectory(path));

    public override void DeleteFolder(string path) => Try(() => Directory.Delete(path, recursive: true));

    public override IReadOnlyList<string> FilesIn(string folder, string ending) =>
        [.. Try(() => Directory.GetFiles(folder, "*" + ending)).Order(StringComparer.Ordinal)];

    // .NET opens no directories.
    public override void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = OpenDirectory(System.Text.Encoding.UTF8.GetBytes(path + '\0'), 0);
        if (descriptor < 0)
        {
            return;
        }

        var error = Fsync(descriptor) == 0 ? 0 : Marshal.GetLastPInvokeError();
        _ = Close(descriptor);
        if (error is InputOutputError or NoSpace || error == _quotaExceeded)
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }

    private static T Try<T>(Func<T> access)
    {
        try
        {
            return access();
        }
        catch (UnauthorizedAccessException denied)
        {
            throw Refusal(denied);
        }
    }

    private static void Try(Action access) => Try(() =>
    {
        access();
        return true;
    });

    private static IOException Refusal(UnauthorizedAccessException denied) => new(denied.Message, denied);

    [DllImport("libc", EntryPoint = "open")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int OpenDirectory(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Fsync(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);

    private sealed class DiskFile(SafeFileHandle handle) : StoredFile
    {
        public override long Length => RandomAccess.GetLength(handle);

        public override void SetLength(long length) => Try(() => RandomAccess.SetLength(handle, length));

        // A span cannot be captured.
        public override int Read(Span<byte> buffer, long position)
        {
            try
            {
                return RandomAccess.Read(handle, buffer, position);
            }
            catch (UnauthorizedAccessException denied)
            {
                throw Refusal(denied);
            }
        }

        public override void Write(ReadOnlySpan<byte> bytes, long position)
        {
            try
            {
                RandomAccess.Write(handle, bytes, position);
            }
            catch (UnauthorizedAccessException denied)
            {
                throw Refusal(denied);
            }
        }

        public override void Flush() => Try(() => RandomAccess.FlushToDisk(handle));

        public override void Dispose() => handle.Dispose();
    }
}
