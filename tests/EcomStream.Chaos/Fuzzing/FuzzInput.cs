using System.Buffers.Binary;

namespace EcomStream.Chaos.Fuzzing;

/// <summary>One input: mutations of a corpus that a seed chooses. The same seed gives the same input.</summary>
internal sealed class FuzzInput(Random random)
{
    private const int MostMutations = 6;
    private const int LongestRepetition = 5_000;
    private const int LongestInput = 1 << 20;

    private static readonly long[] _boundaries =
    [
        0, 1, -1, 2, 7, 8, 16, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue,
    ];

    public Random Random => random;

    /// <summary>What was handed over last, for the report.</summary>
    public byte[] Last { get; private set; } = [];

    /// <summary>A mutated entry of a corpus.</summary>
    /// <param name="corpus">Valid inputs.</param>
    /// <param name="tokens">Pieces that mean something to the reader.</param>
    public byte[] Next(IReadOnlyList<byte[]> corpus, IReadOnlyList<byte[]> tokens)
    {
        var bytes = new List<byte>(corpus[random.Next(corpus.Count)]);
        for (var left = random.Next(0, MostMutations + 1); left > 0 && bytes.Count < LongestInput; left--)
        {
            Mutate(bytes, corpus, tokens);
        }

        return Last = [.. bytes];
    }

    private void Mutate(List<byte> bytes, IReadOnlyList<byte[]> corpus, IReadOnlyList<byte[]> tokens)
    {
        var at = random.Next(bytes.Count + 1);
        switch (random.Next(11))
        {
            case 0 when bytes.Count > 0:
                bytes[at % bytes.Count] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when bytes.Count > 0:
                bytes[at % bytes.Count] = (byte)random.Next(256);
                break;
            case 2:
                var inserted = new byte[random.Next(1, 9)];
                random.NextBytes(inserted);
                bytes.InsertRange(at, inserted);
                break;
            case 3:
                bytes.RemoveRange(at, random.Next(bytes.Count - at + 1));
                break;
            case 4:
                bytes.RemoveRange(at, Math.Min(random.Next(1, 5), bytes.Count - at));
                break;
            case 5:
                // A piece again, a few times.
                var piece = bytes.GetRange(at, Math.Min(random.Next(1, 40), bytes.Count - at)).ToArray();
                for (var times = random.Next(1, 4); times > 0; times--)
                {
                    bytes.InsertRange(at, piece);
                }

                break;
            case 6:
                // The beginning of this one and the end of another one.
                var other = corpus[random.Next(corpus.Count)];
                bytes.RemoveRange(at, bytes.Count - at);
                bytes.AddRange(other.AsSpan(random.Next(other.Length + 1)));
                break;
            case 7 when tokens.Count > 0:
                bytes.InsertRange(at, tokens[random.Next(tokens.Count)]);
                break;
            case 8 when tokens.Count > 0 && random.Next(20) == 0:
                // Deep nesting, long texts.
                var token = tokens[random.Next(tokens.Count)];
                var times2 = random.Next(1, LongestRepetition);
                bytes.InsertRange(at, Enumerable.Repeat(token, times2).SelectMany(part => part).ToArray());
                break;
            case 9:
                Boundary(bytes, at);
                break;
            case 10 when bytes.Count > 1:
                var from = random.Next(bytes.Count);
                (bytes[from], bytes[at % bytes.Count]) = (bytes[at % bytes.Count], bytes[from]);
                break;
        }
    }

    // A number at its limits, in one, two, four or eight bytes.
    private void Boundary(List<byte> bytes, int at)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(number, _boundaries[random.Next(_boundaries.Length)]);
        var size = 1 << random.Next(4);
        if (random.Next(2) == 0)
        {
            number[^size..].Reverse();
        }

        for (var i = 0; i < size && at + i < bytes.Count; i++)
        {
            bytes[at + i] = number[number.Length - size + i];
        }
    }
}
