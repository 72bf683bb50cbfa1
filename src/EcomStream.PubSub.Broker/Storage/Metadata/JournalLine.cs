using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>A line of a journal: the CRC-32 of its JSON in hexadecimal, a space, and the JSON.</summary>
internal static class JournalLine
{
    private const int ChecksumChars = 8;

    /// <summary>The line, with its end.</summary>
    public static byte[] Of(ReadOnlySpan<byte> json)
    {
        var line = new byte[ChecksumChars + 1 + json.Length + 1];
        Encoding.ASCII.GetBytes(Crc32.HashToUInt32(json).ToString("x8", CultureInfo.InvariantCulture), line);
        line[ChecksumChars] = (byte)' ';
        json.CopyTo(line.AsSpan(ChecksumChars + 1));
        line[^1] = (byte)'\n';
        return line;
    }

    /// <summary>Reads an intact line.</summary>
    /// <param name="journal">The journal.</param>
    /// <param name="at">Where the line begins; moved behind it.</param>
    /// <param name="json">Its JSON.</param>
    public static bool TryRead(ReadOnlySpan<byte> journal, ref int at, out ReadOnlySpan<byte> json)
    {
        json = default;
        var rest = journal[at..];
        var end = rest.IndexOf((byte)'\n');
        if (end <= ChecksumChars + 1
            || !uint.TryParse(rest[..ChecksumChars], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var checksum)
            || Crc32.HashToUInt32(rest[(ChecksumChars + 1)..end]) != checksum)
        {
            return false;
        }

        json = rest[(ChecksumChars + 1)..end];
        at += end + 1;
        return true;
    }
}
