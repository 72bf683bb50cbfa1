namespace EcomStream.PubSub.Broker.Storage;

/// <summary>Where the files of a broker are: on the disk, or in memory. Every error of the disk is an <see cref="IOException"/>.</summary>
internal abstract class FileStore
{
    /// <exception cref="IOException">The file cannot be opened, or is missing where it has to exist.</exception>
    public abstract StoredFile Open(string path, FileMode mode);

    public abstract bool Exists(string path);

    public abstract byte[] ReadAllBytes(string path);

    /// <summary>Renames a file over one that may exist.</summary>
    public abstract void Move(string from, string to);

    /// <summary>Deletes a file, if it is there.</summary>
    public abstract void Delete(string path);

    public abstract bool FolderExists(string path);

    public abstract void CreateFolder(string path);

    /// <summary>Deletes a folder with everything in it.</summary>
    public abstract void DeleteFolder(string path);

    /// <summary>The files of a folder whose names end so, by name.</summary>
    public abstract IReadOnlyList<string> FilesIn(string folder, string ending);

    /// <summary>Makes the names in a folder durable.</summary>
    /// <exception cref="IOException">Names may be lost.</exception>
    public abstract void SyncFolder(string path);
}

/// <summary>An open file. Several threads may read while one writes.</summary>
internal abstract class StoredFile : IDisposable
{
    /// <summary>Its bytes.</summary>
    public abstract long Length { get; }

    public abstract void SetLength(long length);

    /// <returns>How many bytes were read; 0 at the end.</returns>
    public abstract int Read(Span<byte> buffer, long position);

    public abstract void Write(ReadOnlySpan<byte> bytes, long position);

    /// <summary>Makes what was written durable.</summary>
    public abstract void Flush();

    public abstract void Dispose();
}
