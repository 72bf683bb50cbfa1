using System.Buffers.Binary;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// The nine bytes before each message's body (native_protocol_v5.spec, section 2): version, flags, stream, opcode,
/// length.
/// </summary>
internal readonly record struct EnvelopeHeader(byte Version, EnvelopeFlags Flags, short Stream, Opcode Opcode, int Length)
{
    public const int Size = 9;

    /// <summary>The longest body that the protocol allows, bytes (section 2.5).</summary>
    public const int LongestBody = 256 * 1024 * 1024;

    private const byte ResponseBit = 0x80;

    public static void Write(Span<byte> target, byte version, EnvelopeFlags flags, short stream, Opcode opcode, int length)
    {
        target[0] = version;
        target[1] = (byte)flags;
        BinaryPrimitives.WriteInt16BigEndian(target[2..], stream);
        target[4] = (byte)opcode;
        BinaryPrimitives.WriteInt32BigEndian(target[5..], length);
    }

    public static EnvelopeHeader Read(ReadOnlySpan<byte> bytes)
    {
        var header = new EnvelopeHeader(
            (byte)(bytes[0] & ~ResponseBit),
            (EnvelopeFlags)bytes[1],
            BinaryPrimitives.ReadInt16BigEndian(bytes[2..]),
            (Opcode)bytes[4],
            BinaryPrimitives.ReadInt32BigEndian(bytes[5..]));
        if ((bytes[0] & ResponseBit) == 0 || header.Length is < 0 or > LongestBody)
        {
            throw new CqlProtocolException(
                $"The answer of the server is not a response of the native protocol (first byte 0x{bytes[0]:x2}, length {header.Length}). Is it Cassandra's native port, and does it ask for TLS?");
        }

        return header;
    }
}
