using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// How the broker writes to its folder: the one place where a disk can refuse. Whatever it creates or renames is found
/// again after a power cut, because the directory is synced too (a file's own sync does not cover its name: fsync(2)).
/// </summary>
/// <param name="beforeWrite">Called with the path and the bytes of each write; what it throws is the disk's refusal.</param>
/// <param name="afterSync">Called with the path and how many of its bytes a power cut can no longer take.</param>
internal sealed class BrokerFiles(Action<string, long>? beforeWrite = null, Action<string, long>? afterSync = null)
{
    /// <summary>The disk as it is.</summary>
    public static BrokerFiles Disk { get; } = new();

    /// <exception cref="IOException">The disk is full or broken; the file may hold a part of the bytes.</exception>
    public void Write(string path, SafeFileHandle file, ReadOnlySpan<byte> bytes, long position)
    {
        beforeWrite?.Invoke(path, bytes.Length);
        RandomAccess.Write(file, bytes, position);
    }

    /// <summary>Makes what was written durable.</summary>
    /// <exception cref="IOException">The disk is broken.</exception>
    public void Sync(string path, SafeFileHandle file)
    {
        var length = afterSync is null ? 0 : RandomAccess.GetLength(file);
        RandomAccess.FlushToDisk(file);
        afterSync?.Invoke(path, length);
    }

    /// <summary>Creates a folder, if it is not there.</summary>
    public void CreateFolder(string path)
    {
        if (!Directory.Exists(path))
        {
            beforeWrite?.Invoke(path, 0);
            Directory.CreateDirectory(path);
            SyncDirectory(path);
        }
    }

    /// <summary>Creates an empty file, or empties the one that is there.</summary>
    public SafeFileHandle Create(string path)
    {
        beforeWrite?.Invoke(path, 0);
        var file = File.OpenHandle(path, FileMode.Create, FileAccess.ReadWrite, FileShare.Read);
        SyncDirectory(path);
        return file;
    }

    /// <summary>Replaces a file as a whole: after a crash it holds the old bytes or the new ones.</summary>
    /// <returns>The new file, open.</returns>
    /// <exception cref="IOException">The file holds what it held before.</exception>
    public SafeFileHandle Replace(string path, ReadOnlySpan<byte> bytes)
    {
        var temporary = path + ".new";
        var file = File.OpenHandle(temporary, FileMode.Create, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            Write(path, file, bytes, 0);
            Sync(temporary, file);
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            file.Dispose();
            File.Delete(temporary);
            throw;
        }

        SyncDirectory(path);
        afterSync?.Invoke(path, bytes.Length);
        return file;
    }

    // .NET opens no directories. A file system that cannot sync one keeps names in its own order; there is nothing to add.
    private static void SyncDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var directory = Open(System.Text.Encoding.UTF8.GetBytes(Path.GetDirectoryName(Path.GetFullPath(path)) + '\0'), 0);
        if (directory >= 0)
        {
            _ = Fsync(directory);
            _ = Close(directory);
        }
    }

    [DllImport("libc", EntryPoint = "open")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "fsync")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Fsync(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);
}
