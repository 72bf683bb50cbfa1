using System.Numerics;

namespace EcomStream.PubSub.Protocol;

/// <summary>
/// The protocol buffers encoding on spans, for the messages that are too many to make objects of:
/// https://protobuf.dev/programming-guides/encoding.
/// </summary>
internal static class ProtobufWire
{
    // Wire types: the low three bits of a tag.
    public const int Varint = 0;
    public const int Fixed64 = 1;
    public const int Len = 2;
    public const int Fixed32 = 5;
    private const int StartGroup = 3;
    private const int EndGroup = 4;
    private const int DeepestGroup = 100;

    // The fields of a map's entry.
    public const int MapKey = 1;
    public const int MapValue = 2;

    /// <exception cref="InvalidDataException">No varint stands there.</exception>
    public static ulong ReadVarint(scoped ref ReadOnlySpan<byte> input) => TryReadVarint(ref input, out var value) ? value : throw Broken();

    /// <returns>Whether a varint stands there; if not, nothing is read.</returns>
    public static bool TryReadVarint(scoped ref ReadOnlySpan<byte> input, out ulong value)
    {
        value = 0;
        for (var i = 0; i < input.Length && i < 10; i++)
        {
            var b = input[i];
            value |= (ulong)(b & 0x7f) << (7 * i);
            if (b < 0x80)
            {
                input = input[(i + 1)..];
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads a length and that many bytes.</summary>
    /// <exception cref="InvalidDataException">They are not there.</exception>
    public static ReadOnlySpan<byte> ReadLen(scoped ref ReadOnlySpan<byte> input)
    {
        var length = ReadVarint(ref input);
        if (length > (ulong)input.Length)
        {
            throw Broken();
        }

        var bytes = input[..(int)length];
        input = input[(int)length..];
        return bytes;
    }

    /// <summary>Skips the value of a field, whose tag was just read.</summary>
    /// <exception cref="InvalidDataException">It is not whole, or a group that is nested more than 100 deep.</exception>
    public static void Skip(scoped ref ReadOnlySpan<byte> input, ulong tag) => Skip(ref input, tag, 0);

    private static void Skip(scoped ref ReadOnlySpan<byte> input, ulong tag, int depth)
    {
        switch ((int)(tag & 7))
        {
            case StartGroup when depth < DeepestGroup:
                // Until the tag that ends it, which has the same number.
                while (ReadVarint(ref input) is var inner && inner != (tag ^ StartGroup ^ EndGroup))
                {
                    Skip(ref input, inner, depth + 1);
                }

                break;
            case Varint:
                ReadVarint(ref input);
                break;
            case Len:
                ReadLen(ref input);
                break;
            case Fixed64 when input.Length >= 8:
                input = input[8..];
                break;
            case Fixed32 when input.Length >= 4:
                input = input[4..];
                break;
            default:
                throw Broken();
        }
    }

    /// <summary>Bytes of a varint.</summary>
    public static int VarintSize(ulong value) => (BitOperations.Log2(value | 1) / 7) + 1;

    /// <summary>Bytes of a field of wire type LEN with a number below 16: tag, length and <paramref name="length"/> bytes.</summary>
    public static int LenSize(int length) => 1 + VarintSize((uint)length) + length;

    /// <returns>The bytes written.</returns>
    public static int WriteVarint(Span<byte> target, ulong value)
    {
        var at = 0;
        while (value >= 0x80)
        {
            target[at++] = (byte)(value | 0x80);
            value >>= 7;
        }

        target[at++] = (byte)value;
        return at;
    }

    /// <summary>Writes the tag and the length of a field of wire type LEN; its bytes follow.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="field">The field's number, below 16.</param>
    /// <param name="length">The bytes that follow.</param>
    /// <returns>The bytes written.</returns>
    public static int WriteLen(Span<byte> target, int field, int length)
    {
        target[0] = (byte)((field << 3) | Len);
        return 1 + WriteVarint(target[1..], (uint)length);
    }

    private static InvalidDataException Broken() => new("The bytes are cut or damaged, or hold a group.");
}
