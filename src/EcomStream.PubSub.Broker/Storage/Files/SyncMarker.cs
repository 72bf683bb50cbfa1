using System.Buffers.Binary;
using System.IO.Hashing;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// How far a file is known to be synced, in a small file of its own: what of a file may be which a power cut left, with
/// pages written and pages missing in any order, and what can only be damage. It is written after each sync and never
/// synced itself, so it says too little at the worst. 20 bytes: which file (8), synced bytes (8), CRC-32 (4).
/// </summary>
internal sealed class SyncMarker(string path, FileStore store) : IDisposable
{
    private const int Size = 20;

    private readonly Lock _lock = new();
    private StoredFile? _file;
    private bool _isDisposed;

    /// <summary>Notes how far a file is synced. Does nothing once the marker is closed.</summary>
    public void Write(long which, long length)
    {
        Span<byte> bytes = stackalloc byte[Size];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, which);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], Crc32.HashToUInt32(bytes[..16]));
        try
        {
            lock (_lock)
            {
                if (_isDisposed)
                {
                    return;
                }

                _file ??= store.Open(path, FileMode.OpenOrCreate);
                _file.Write(bytes, 0);
            }
        }
        catch (IOException)
        {
            // A full disk. What it says already stays true.
        }
    }

    /// <summary>Bytes of a file that are known to be synced; null when nothing is known of it.</summary>
    public static long? Read(FileStore store, string path, long which)
    {
        if (!store.Exists(path))
        {
            return null;
        }

        ReadOnlySpan<byte> bytes = store.ReadAllBytes(path);
        return bytes.Length == Size && BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]) == Crc32.HashToUInt32(bytes[..16])
            && BinaryPrimitives.ReadInt64LittleEndian(bytes) == which
            ? BinaryPrimitives.ReadInt64LittleEndian(bytes[8..])
            : null;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _file?.Dispose();
        }
    }
}
