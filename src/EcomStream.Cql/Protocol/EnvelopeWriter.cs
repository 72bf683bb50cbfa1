using System.Buffers.Binary;
using K4os.Compression.LZ4;

namespace EcomStream.Cql.Protocol;

/// <summary>Puts requests into what is sent: bare envelopes until the version is agreed on, then v5's segments.</summary>
internal sealed class EnvelopeWriter(byte version, bool compressed) : IDisposable
{
    // Below this a body does not get shorter by more than it costs.
    private const int CompressFrom = 512;

    private readonly ByteWriter _framed = new(1 << 16);
    private SegmentCodec? _segments;
    private volatile bool _compresses;

    /// <summary>From the next message on: v5's segments, or v4's compressed bodies.</summary>
    public void StartUpIsDone(bool segments)
    {
        _segments = segments ? new SegmentCodec(compressed) : null;
        _compresses = compressed && !segments;
    }

    /// <summary>Appends one envelope to <paramref name="target"/>.</summary>
    public void Write(ByteWriter target, short stream, CqlRequest request)
    {
        var body = request.Body.Span;
        var flags = request.Tracing ? EnvelopeFlags.Tracing : EnvelopeFlags.None;
        if (_compresses && body.Length >= CompressFrom)
        {
            var packed = new byte[sizeof(int) + LZ4Codec.MaximumOutputSize(body.Length)];
            BinaryPrimitives.WriteInt32BigEndian(packed, body.Length);
            var length = LZ4Codec.Encode(body, packed.AsSpan(sizeof(int)));
            body = packed.AsSpan(0, sizeof(int) + length);
            flags |= EnvelopeFlags.Compressed;
        }

        EnvelopeHeader.Write(target.Take(EnvelopeHeader.Size), version, flags, stream, request.Opcode, body.Length);
        target.Raw(body);
    }

    /// <summary>What goes to the socket for these envelopes, valid until the next call.</summary>
    public ReadOnlyMemory<byte> Frame(ByteWriter envelopes)
    {
        if (_segments is not { } segments)
        {
            return envelopes.WrittenMemory;
        }

        _framed.Truncate(0);
        var rest = envelopes.Written;
        while (!rest.IsEmpty)
        {
            var whole = WholeEnvelopes(rest, out var first);
            if (whole > 0)
            {
                segments.Write(_framed, rest[..whole], selfContained: true);
                rest = rest[whole..];
                continue;
            }

            for (var left = first; left > 0;)
            {
                var part = Math.Min(left, SegmentCodec.LongestPayload);
                segments.Write(_framed, rest[..part], selfContained: false);
                rest = rest[part..];
                left -= part;
            }
        }

        return _framed.WrittenMemory;
    }

    public void Dispose() => _framed.Dispose();

    // How many bytes of whole envelopes fit into one segment; 0 when already the first is too long.
    private static int WholeEnvelopes(ReadOnlySpan<byte> bytes, out int first)
    {
        first = 0;
        var whole = 0;
        while (whole < bytes.Length)
        {
            var next = EnvelopeHeader.Size + BinaryPrimitives.ReadInt32BigEndian(bytes[(whole + 5)..]);
            if (whole == 0)
            {
                first = next;
            }

            if (whole + next > SegmentCodec.LongestPayload)
            {
                break;
            }

            whole += next;
        }

        return whole;
    }
}
