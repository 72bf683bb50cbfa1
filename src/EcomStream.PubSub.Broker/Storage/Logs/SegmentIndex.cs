using System.Buffers.Binary;
using System.IO.Hashing;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Where every 256th record of a segment begins: a record is found from there, without reading the file from its start. It is
/// written beside a segment that is full, with what else is known of the segment by reading it through.
/// </summary>
internal sealed class SegmentIndex
{
    private const int Every = 256;
    private const uint Magic = 0x31584945;
    private const int HeaderBytes = 32;
    private const int ChecksumBytes = 4;

    private readonly List<long> _positions = [];

    /// <summary>Records of the segment.</summary>
    public long Count { get; private set; }

    /// <summary>Bytes of its whole records.</summary>
    public long Length { get; private set; }

    /// <summary>Publish time of its last record, microseconds since the Unix epoch; 0 without one.</summary>
    public long LastPublishMicros { get; set; }

    /// <summary>A record was appended.</summary>
    public void Add(int size)
    {
        if (Count % Every == 0)
        {
            _positions.Add(Length);
        }

        Count++;
        Length += size;
    }

    /// <summary>The position of a record that is known, at or before one, and its number.</summary>
    /// <param name="record">The number of the record, from 0.</param>
    public (long Position, long Record) Nearest(long record)
    {
        var entry = (int)Math.Min(record / Every, _positions.Count - 1);
        return entry < 0 ? (0, 0) : (_positions[entry], (long)entry * Every);
    }

    /// <summary>The last position that is known before a time, and the number of its record.</summary>
    /// <param name="publishMicros">The time, microseconds since the Unix epoch.</param>
    /// <param name="publishMicrosAt">The publish time of the record at a position.</param>
    public (long Position, long Record) Before(long publishMicros, Func<long, long> publishMicrosAt)
    {
        var (low, high) = (0, _positions.Count);
        while (high - low > 1)
        {
            var middle = (low + high) / 2;
            (low, high) = publishMicrosAt(_positions[middle]) < publishMicros ? (middle, high) : (low, middle);
        }

        return (_positions.Count == 0 ? 0 : _positions[low], (long)low * Every);
    }

    public byte[] ToBytes()
    {
        var bytes = new byte[HeaderBytes + (_positions.Count * sizeof(long)) + ChecksumBytes];
        var span = bytes.AsSpan();
        BinaryPrimitives.WriteUInt32LittleEndian(span, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(span[4..], Count);
        BinaryPrimitives.WriteInt64LittleEndian(span[12..], Length);
        BinaryPrimitives.WriteInt64LittleEndian(span[20..], LastPublishMicros);
        BinaryPrimitives.WriteInt32LittleEndian(span[28..], _positions.Count);
        for (var i = 0; i < _positions.Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(span[(HeaderBytes + (i * sizeof(long)))..], _positions[i]);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(span[^ChecksumBytes..], Crc32.HashToUInt32(span[..^ChecksumBytes]));
        return bytes;
    }

    /// <summary>Reads an index; null when it is damaged or of a segment of another length.</summary>
    public static SegmentIndex? Read(ReadOnlySpan<byte> bytes, long length)
    {
        if (bytes.Length < HeaderBytes + ChecksumBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^ChecksumBytes..]) != Crc32.HashToUInt32(bytes[..^ChecksumBytes])
            || BinaryPrimitives.ReadInt64LittleEndian(bytes[12..]) != length)
        {
            return null;
        }

        var index = new SegmentIndex
        {
            Count = BinaryPrimitives.ReadInt64LittleEndian(bytes[4..]),
            Length = length,
            LastPublishMicros = BinaryPrimitives.ReadInt64LittleEndian(bytes[20..]),
        };
        var entries = BinaryPrimitives.ReadInt32LittleEndian(bytes[28..]);
        for (var i = 0; i < entries; i++)
        {
            index._positions.Add(BinaryPrimitives.ReadInt64LittleEndian(bytes[(HeaderBytes + (i * sizeof(long)))..]));
        }

        return index;
    }
}
