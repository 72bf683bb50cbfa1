using System.Buffers.Binary;
using K4os.Compression.LZ4;

namespace EcomStream.Cql.Protocol;

/// <summary>Takes received bytes apart into envelopes: bare ones until the version is agreed on, then v5's segments.</summary>
internal sealed class EnvelopeReader(bool compressed) : IDisposable
{
    // A byte of LZ4 stands for 255 bytes at most (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md).
    private const long HighestRatio = 255;

    private readonly ByteWriter _partial = new();
    private SegmentCodec? _segments;

    /// <summary>What an envelope is given to: its header, and its body, valid during the call.</summary>
    public delegate void Handler(EnvelopeHeader header, ReadOnlySpan<byte> body);

    /// <summary>From the next byte on, envelopes come in segments (protocol v5).</summary>
    public void UseSegments() => _segments = new SegmentCodec(compressed);

    /// <summary>Hands over the next envelopes.</summary>
    /// <param name="bytes">What has been received.</param>
    /// <param name="handler">Takes each.</param>
    /// <returns>How many bytes were used; 0 when more must be received first.</returns>
    /// <exception cref="CqlProtocolException">It is no native protocol, or a checksum is wrong.</exception>
    public int Read(ReadOnlySpan<byte> bytes, Handler handler)
    {
        if (_segments is null)
        {
            return ReadEnvelope(bytes, handler);
        }

        var taken = _segments.TryRead(bytes, out var payload, out var selfContained);
        if (taken == 0)
        {
            return 0;
        }

        if (!selfContained)
        {
            // A part of one envelope that is longer than a segment.
            _partial.Raw(payload);
            if (ReadEnvelope(_partial.Written, handler) > 0)
            {
                _partial.Truncate(0);
            }

            return taken;
        }

        while (!payload.IsEmpty)
        {
            var used = ReadEnvelope(payload, handler);
            if (used == 0)
            {
                throw new CqlProtocolException("A self-contained segment from the server ends within a message.");
            }

            payload = payload[used..];
        }

        return taken;
    }

    public void Dispose() => _partial.Dispose();

    private static int ReadEnvelope(ReadOnlySpan<byte> bytes, Handler handler)
    {
        if (bytes.Length < EnvelopeHeader.Size)
        {
            return 0;
        }

        var header = EnvelopeHeader.Read(bytes);
        var total = EnvelopeHeader.Size + header.Length;
        if (bytes.Length < total)
        {
            return 0;
        }

        var body = bytes[EnvelopeHeader.Size..total];
        handler(header, header.Flags.HasFlag(EnvelopeFlags.Compressed) ? Decompress(body) : body);
        return total;
    }

    // Before v5 each body is compressed by itself, behind its length as an [int] (native_protocol_v4.spec, section 5).
    private static byte[] Decompress(ReadOnlySpan<byte> body)
    {
        var length = body.Length < sizeof(int) ? -1 : BinaryPrimitives.ReadInt32BigEndian(body);
        if (length is < 0 or > EnvelopeHeader.LongestBody || length > (body.Length - sizeof(int)) * HighestRatio)
        {
            throw new CqlProtocolException("A compressed message from the server has no usable length.");
        }

        var bytes = new byte[length];
        if (length > 0 && LZ4Codec.Decode(body[sizeof(int)..], bytes) != length)
        {
            throw new CqlProtocolException($"A message from the server does not unpack to the {length} bytes that it announces.");
        }

        return bytes;
    }
}
