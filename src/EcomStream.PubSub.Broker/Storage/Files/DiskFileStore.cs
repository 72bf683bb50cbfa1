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
        new DiskFile(Try(path, p => File.OpenHandle(p, mode, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete)));

    public override bool Exists(string path) => File.Exists(path);

    public override byte[] ReadAllBytes(string path) => Try(path, File.ReadAllBytes);

    public override void Move(string from, string to) => Try(to, p => File.Move(from, p, overwrite: true));

    public override void Delete(string path) => Try(path, File.Delete);

    public override bool FolderExists(string path) => Directory.Exists(path);

    public override void CreateFolder(string path) => Try(path, Directory.CreateDirectory);

    public override void DeleteFolder(string path) => Try(path, p => Directory.Delete(p, recursive: true));

    public override IReadOnlyList<string> FilesIn(string folder, string ending) =>
        [.. Try(folder, p => Directory.GetFiles(p, "*" + ending)).Order(StringComparer.Ordinal)];

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

    private static T Try<T>(string path, Func<string, T> access)
    {
        try
        {
            return access(path);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new IOException(denied.Message, denied);
        }
    }

    private static void Try(string path, Action<string> access) => Try(path, p =>
    {
        access(p);
        return true;
    });

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

        public override void SetLength(long length) => Try("", _ => RandomAccess.SetLength(handle, length));

        public override int Read(Span<byte> buffer, long position)
        {
            try
            {
                return RandomAccess.Read(handle, buffer, position);
            }
            catch (UnauthorizedAccessException denied)
            {
                throw new IOException(denied.Message, denied);
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
                throw new IOException(denied.Message, denied);
            }
        }

        public override void Flush() => Try("", _ => RandomAccess.FlushToDisk(handle));

        public override void Dispose() => handle.Dispose();
    }
}
