using System.Buffers.Binary;
using System.IO.Hashing;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// One message in a topic's log: payload length (4 bytes), CRC-32 of what follows (4 bytes), publish time in
/// microseconds since the Unix epoch (8 bytes), payload; little endian. The payload is the serialized PubsubMessage,
/// as it is sent on.
/// </summary>
internal static class LogRecord
{
    public const int HeaderBytes = 16;

    // Above any message that a publish may carry, so that a length beyond it can only be damage.
    public const int LongestPayload = 32 << 20;

    public static int Size(int payloadLength) => HeaderBytes + payloadLength;

    /// <summary>Writes the header in front of a payload that already stands behind it.</summary>
    public static void Seal(Span<byte> record, long publishMicros)
    {
        BinaryPrimitives.WriteInt64LittleEndian(record[8..], publishMicros);
        BinaryPrimitives.WriteInt32LittleEndian(record, record.Length - HeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], Crc32.HashToUInt32(record[8..]));
    }

    /// <summary>Payload length and publish time of the record at the start of <paramref name="data"/>, which holds at least a header.</summary>
    public static (int PayloadLength, long PublishMicros) Header(ReadOnlySpan<byte> data) =>
        (BinaryPrimitives.ReadInt32LittleEndian(data), BinaryPrimitives.ReadInt64LittleEndian(data[8..]));

    /// <summary>
    /// Whether an intact record, published after the ones before it, stands anywhere in <paramref name="data"/>. What a
    /// write left unfinished is followed by none; what was damaged later is.
    /// </summary>
    public static bool AnyIntact(ReadOnlySpan<byte> data, long afterMicros)
    {
        // Bytes that happen to look like a header almost never have a publish time of these ten years: few checksums are computed.
        const long LatestAfter = 10L * 365 * 24 * 3600 * 1_000_000;
        for (; data.Length > HeaderBytes; data = data[1..])
        {
            var (payload, micros) = Header(data);
            if (payload is > 0 and <= LongestPayload
                && micros > afterMicros && (afterMicros == 0 || micros - afterMicros < LatestAfter)
                && Size(payload) <= data.Length && IsIntact(data[..Size(payload)]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a whole record is as it was written.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> record) =>
        BinaryPrimitives.ReadUInt32LittleEndian(record[4..]) == Crc32.HashToUInt32(record[8..]);
}
