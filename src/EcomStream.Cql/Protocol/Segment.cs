using System.Buffers.Binary;
using System.IO.Hashing;
using K4os.Compression.LZ4;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// The outer frames of protocol v5 (native_protocol_v5.spec of Cassandra 4 and later, section 2: "Frame Format").
/// A segment holds whole envelopes, or a part of one that is too long for it; header and payload have checksums.
/// </summary>
internal sealed class SegmentCodec(bool compressed)
{
    /// <summary>The longest payload of a segment, bytes: its length has 17 bits.</summary>
    public const int LongestPayload = (1 << 17) - 1;

    private const int Crc24Initial = 0x875060;
    private const int Crc24Polynomial = 0x1974F0B;
    private const int Crc24Size = 3;
    private const int Crc32Size = 4;

    // The CRC-32 of a payload starts from these four bytes.
    private static readonly byte[] _crc32Seed = [0xFA, 0x2D, 0x55, 0xCA];

    private readonly Crc32 _crc32 = new();
    private readonly byte[] _scratch = compressed ? new byte[LZ4Codec.MaximumOutputSize(LongestPayload)] : [];

    /// <summary>Bytes of a segment's header, its checksum included.</summary>
    public int HeaderSize => (compressed ? 5 : 3) + Crc24Size;

    /// <summary>Appends one segment.</summary>
    public void Write(ByteWriter target, ReadOnlySpan<byte> payload, bool selfContained)
    {
        if (compressed)
        {
            var length = LZ4Codec.Encode(payload, _scratch);

            // A payload that does not get shorter goes as it is, with an uncompressed length of zero.
            var useful = length > 0 && length < payload.Length;
            WriteHeader(
                target.Take(HeaderSize),
                useful
                    ? (uint)length | ((ulong)payload.Length << 17) | (selfContained ? 1UL << 34 : 0)
                    : (uint)payload.Length | (selfContained ? 1UL << 34 : 0));
            WritePayload(target, useful ? _scratch.AsSpan(0, length) : payload);
            return;
        }

        WriteHeader(target.Take(HeaderSize), (uint)payload.Length | (selfContained ? 1UL << 17 : 0));
        WritePayload(target, payload);
    }

    /// <summary>Reads one segment.</summary>
    /// <param name="bytes">What has been received.</param>
    /// <param name="payload">Its payload, valid until the next call.</param>
    /// <param name="selfContained">Whether it holds whole envelopes.</param>
    /// <returns>How many bytes the segment took; 0 when it is not all there yet.</returns>
    /// <exception cref="CqlProtocolException">A checksum is wrong.</exception>
    public int TryRead(ReadOnlySpan<byte> bytes, out ReadOnlySpan<byte> payload, out bool selfContained)
    {
        payload = default;
        selfContained = false;
        if (bytes.Length < HeaderSize)
        {
            return 0;
        }

        var header = ReadHeader(bytes[..HeaderSize]);
        var length = (int)(header & LongestPayload);
        var uncompressed = compressed ? (int)((header >> 17) & LongestPayload) : 0;
        selfContained = ((header >> (compressed ? 34 : 17)) & 1) != 0;
        var total = HeaderSize + length + Crc32Size;
        if (bytes.Length < total)
        {
            return 0;
        }

        var stored = bytes.Slice(HeaderSize, length);
        if (PayloadCrc(stored) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[(HeaderSize + length)..]))
        {
            throw new CqlProtocolException("A segment from the server has a wrong payload checksum: the connection is not to be trusted.");
        }

        if (uncompressed == 0)
        {
            payload = stored;
        }
        else if (LZ4Codec.Decode(stored, _scratch) is var decoded && decoded == uncompressed)
        {
            payload = _scratch.AsSpan(0, decoded);
        }
        else
        {
            throw new CqlProtocolException($"A segment from the server does not unpack to the {uncompressed} bytes that it announces.");
        }

        return total;
    }

    /// <summary>The CRC-24 of a segment's header, over its bytes in the order in which they are sent.</summary>
    internal static int Crc24(ReadOnlySpan<byte> bytes)
    {
        var crc = Crc24Initial;
        foreach (var b in bytes)
        {
            crc ^= b << 16;
            for (var bit = 0; bit < 8; bit++)
            {
                crc <<= 1;
                if ((crc & 0x1000000) != 0)
                {
                    crc ^= Crc24Polynomial;
                }
            }
        }

        return crc;
    }

    private static void WriteHeader(Span<byte> target, ulong header)
    {
        var bytes = target[..^Crc24Size];
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(header >> (8 * i));
        }

        WriteCrc24(target[^Crc24Size..], Crc24(bytes));
    }

    private static void WriteCrc24(Span<byte> target, int crc)
    {
        target[0] = (byte)crc;
        target[1] = (byte)(crc >> 8);
        target[2] = (byte)(crc >> 16);
    }

    private static ulong ReadHeader(ReadOnlySpan<byte> bytes)
    {
        var fields = bytes[..^Crc24Size];
        var crc = bytes[^Crc24Size] | (bytes[^2] << 8) | (bytes[^1] << 16);
        if (Crc24(fields) != crc)
        {
            throw new CqlProtocolException("A segment from the server has a wrong header checksum: the connection is not to be trusted.");
        }

        var header = 0UL;
        for (var i = fields.Length - 1; i >= 0; i--)
        {
            header = (header << 8) | fields[i];
        }

        return header;
    }

    private void WritePayload(ByteWriter target, ReadOnlySpan<byte> payload)
    {
        target.Raw(payload);
        BinaryPrimitives.WriteUInt32LittleEndian(target.Take(Crc32Size), PayloadCrc(payload));
    }

    private uint PayloadCrc(ReadOnlySpan<byte> payload)
    {
        _crc32.Reset();
        _crc32.Append(_crc32Seed);
        _crc32.Append(payload);
        return _crc32.GetCurrentHashAsUInt32();
    }
}
