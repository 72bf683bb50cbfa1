using System.Buffers.Binary;
using System.Numerics;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// The token of a partition key: Murmur3 x64 128 with seed 0, its first half, in the variant of Cassandra's
/// Murmur3Partitioner, which extends the sign of the bytes after the last whole block.
/// </summary>
internal static class Murmur3
{
    private const ulong C1 = 0x87c37b91114253d5;
    private const ulong C2 = 0x4cf5ad432745937f;
    private const int BlockSize = 16;

    /// <summary>The token of a bigint that is the whole partition key.</summary>
    public static long Token(long key)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, key);
        return Token(bytes);
    }

    /// <summary>The token of an int that is the whole partition key.</summary>
    public static long Token(int key)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, key);
        return Token(bytes);
    }

    /// <summary>The token of a partition key's bytes.</summary>
    public static long Token(ReadOnlySpan<byte> key)
    {
        ulong h1 = 0, h2 = 0;
        var rest = key;
        for (; rest.Length >= BlockSize; rest = rest[BlockSize..])
        {
            h1 ^= Mix1(BinaryPrimitives.ReadUInt64LittleEndian(rest));
            h1 = (BitOperations.RotateLeft(h1, 27) + h2) * 5 + 0x52dce729;
            h2 ^= Mix2(BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]));
            h2 = (BitOperations.RotateLeft(h2, 31) + h1) * 5 + 0x38495ab5;
        }

        ulong k1 = 0, k2 = 0;
        for (var i = 0; i < rest.Length; i++)
        {
            var extended = (ulong)(sbyte)rest[i] << (8 * (i % 8));
            if (i < 8)
            {
                k1 ^= extended;
            }
            else
            {
                k2 ^= extended;
            }
        }

        h1 ^= Mix1(k1);
        h2 ^= Mix2(k2);
        h1 ^= (ulong)key.Length;
        h2 ^= (ulong)key.Length;
        h1 += h2;
        h2 += h1;
        h1 = Final(h1);
        h2 = Final(h2);
        var token = (long)(h1 + h2);

        // The smallest one stands for "before the ring".
        return token == long.MinValue ? long.MaxValue : token;
    }

    private static ulong Mix1(ulong k) => BitOperations.RotateLeft(k * C1, 31) * C2;

    private static ulong Mix2(ulong k) => BitOperations.RotateLeft(k * C2, 33) * C1;

    private static ulong Final(ulong h)
    {
        h ^= h >> 33;
        h *= 0xff51afd7ed558ccd;
        h ^= h >> 33;
        h *= 0xc4ceb9fe1a85ec53;
        return h ^ (h >> 33);
    }
}
