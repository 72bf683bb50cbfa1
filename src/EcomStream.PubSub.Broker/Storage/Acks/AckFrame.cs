using System.Buffers.Binary;
using System.IO.Hashing;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// A frame of a file of acks: the length of its runs (4 bytes), their CRC-32 (4 bytes), then runs of first offset and count (8
/// bytes each). One instance builds many frames, one after the other.
/// </summary>
internal sealed class AckFrame
{
    /// <summary>Bytes before the runs.</summary>
    public const int HeaderBytes = 8;

    private const int RunBytes = 16;

    private const int LeastBytes = 4096;
    private const int UsualBytes = 64 << 10;

    private byte[] _buffer = new byte[LeastBytes];
    private int _used;

    /// <summary>Begins a frame.</summary>
    /// <param name="runs">The most runs that it will have.</param>
    public void Begin(int runs)
    {
        var most = HeaderBytes + (runs * RunBytes);
        if (_buffer.Length < most || (_buffer.Length > UsualBytes && most <= UsualBytes))
        {
            // The buffer of one large request is not kept for the life of the subscription.
            _buffer = new byte[Math.Max(most, LeastBytes)];
        }

        _used = HeaderBytes;
    }

    public void Add(long first, long count)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(_used), first);
        BinaryPrimitives.WriteInt64LittleEndian(_buffer.AsSpan(_used + 8), count);
        _used += RunBytes;
    }

    /// <summary>The whole frame; valid until the next one begins.</summary>
    public ReadOnlySpan<byte> Seal()
    {
        BinaryPrimitives.WriteInt32LittleEndian(_buffer, _used - HeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(4), Crc32.HashToUInt32(_buffer.AsSpan(HeaderBytes, _used - HeaderBytes)));
        return _buffer.AsSpan(0, _used);
    }

    /// <summary>Reads an intact frame.</summary>
    /// <param name="file">The file.</param>
    /// <param name="at">Where the frame begins; moved behind it.</param>
    /// <param name="runs">Its runs (<see cref="Run"/>).</param>
    public static bool TryRead(ReadOnlySpan<byte> file, ref int at, out ReadOnlySpan<byte> runs)
    {
        runs = default;
        var rest = file[at..];
        if (!IsIntact(rest, out var length))
        {
            return false;
        }

        runs = rest.Slice(HeaderBytes, length);
        at += HeaderBytes + length;
        return true;
    }

    /// <summary>How many runs there are.</summary>
    public static int CountRuns(ReadOnlySpan<byte> runs) => runs.Length / RunBytes;

    public static (long First, long Count) Run(ReadOnlySpan<byte> runs, int index) => (
        BinaryPrimitives.ReadInt64LittleEndian(runs[(index * RunBytes)..]),
        BinaryPrimitives.ReadInt64LittleEndian(runs[((index * RunBytes) + 8)..]));

    /// <summary>Whether an intact frame begins anywhere.</summary>
    public static bool AnyIntact(ReadOnlySpan<byte> data) => FirstIntact(data) < data.Length;

    /// <summary>Where the first intact frame begins; the length of the data if there is none.</summary>
    public static int FirstIntact(ReadOnlySpan<byte> data)
    {
        for (var at = 0; at + HeaderBytes + RunBytes <= data.Length; at++)
        {
            if (IsIntact(data[at..], out _))
            {
                return at;
            }
        }

        return data.Length;
    }

    /// <summary>Tells a file from the one that replaces it: the first frame is never written again.</summary>
    public static long Generation(ReadOnlySpan<byte> file) => BinaryPrimitives.ReadInt64LittleEndian(file);

    private static bool IsIntact(ReadOnlySpan<byte> data, out int length)
    {
        length = data.Length >= HeaderBytes ? BinaryPrimitives.ReadInt32LittleEndian(data) : 0;
        return length > 0 && length % RunBytes == 0 && length <= data.Length - HeaderBytes
            && BinaryPrimitives.ReadUInt32LittleEndian(data[4..]) == Crc32.HashToUInt32(data.Slice(HeaderBytes, length));
    }
}
