using System.Text;

namespace EcomStream.Core;

/// <summary>
/// A small direct-mapped cache of short ASCII texts, so that a status or a method that occurs a million times is one
/// string. A race between threads only costs a lookup: each slot is replaced as a whole.
/// </summary>
internal sealed class InternedTexts
{
    private const int Slots = 256;
    private const int LongestBytes = 24;
    private readonly string?[] _slots = new string?[Slots];

    /// <summary>The text of these bytes, or null when they are not plain ASCII of at most 24 bytes.</summary>
    public string? Get(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length is 0 or > LongestBytes || !Ascii.IsValid(utf8))
        {
            return null;
        }

        var hash = (uint)utf8.Length;
        foreach (var b in utf8)
        {
            hash = (hash * 31) + b;
        }

        ref var slot = ref _slots[hash % Slots];
        var cached = Volatile.Read(ref slot);
        if (cached is not null && Ascii.Equals(utf8, cached))
        {
            return cached;
        }

        var text = Encoding.ASCII.GetString(utf8);
        Volatile.Write(ref slot, text);
        return text;
    }
}
