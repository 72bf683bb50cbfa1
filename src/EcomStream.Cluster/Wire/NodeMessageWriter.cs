using System.Buffers;
using System.Text;

namespace EcomStream.Cluster;

/// <summary>Writes the fields of a message between nodes; see <see cref="ClusterMessageSerializer"/>.</summary>
/// <param name="size">About how many bytes it will be.</param>
internal sealed class NodeMessageWriter(int size)
{
    private const int LongestInteger = 10;

    private readonly ArrayBufferWriter<byte> _buffer = new(size);

    /// <summary>A signed integer.</summary>
    public void Long(long value)
    {
        var rest = (ulong)((value << 1) ^ (value >> 63));
        var span = _buffer.GetSpan(LongestInteger);
        var length = 0;
        while (rest >= 0x80)
        {
            span[length++] = (byte)(rest | 0x80);
            rest >>= 7;
        }

        span[length++] = (byte)rest;
        _buffer.Advance(length);
    }

    /// <summary>A text.</summary>
    public void Text(string value)
    {
        Long(Encoding.UTF8.GetByteCount(value));
        _buffer.Advance(Encoding.UTF8.GetBytes(value, _buffer.GetSpan(Encoding.UTF8.GetMaxByteCount(value.Length))));
    }

    /// <summary>Bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        Long(value.Length);
        _buffer.Write(value);
    }

    /// <summary>Ids, each as the difference to the one before.</summary>
    public void Ids(IReadOnlyList<long> ids)
    {
        Long(ids.Count);
        var last = 0L;
        for (var i = 0; i < ids.Count; i++)
        {
            Long(ids[i] - last);
            last = ids[i];
        }
    }

    /// <summary>What was written.</summary>
    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();
}

/// <summary>Reads the fields of a message between nodes; see <see cref="ClusterMessageSerializer"/>.</summary>
/// <param name="bytes">The message.</param>
internal ref struct NodeMessageReader(byte[] bytes)
{
    private int _position;

    /// <summary>A signed integer.</summary>
    /// <exception cref="InvalidDataException">The message ends within it, or it is not an integer.</exception>
    public long Long()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (_position >= bytes.Length)
            {
                throw Truncated();
            }

            var part = bytes[_position++];
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
            {
                return (long)(value >> 1) ^ -(long)(value & 1);
            }
        }

        throw new InvalidDataException("A message between nodes has an integer of more than 64 bits");
    }

    /// <summary>A number of elements that follow.</summary>
    /// <exception cref="InvalidDataException">The message is too short for so many.</exception>
    public int Count()
    {
        var count = Long();
        return count >= 0 && count <= bytes.Length - _position ? (int)count : throw Truncated();
    }

    /// <summary>A text.</summary>
    public string Text()
    {
        var length = Count();
        var text = length == 0 ? "" : Encoding.UTF8.GetString(bytes, _position, length);
        _position += length;
        return text;
    }

    /// <summary>Bytes; they are not copied.</summary>
    public ReadOnlyMemory<byte> Bytes()
    {
        var length = Count();
        var data = bytes.AsMemory(_position, length);
        _position += length;
        return data;
    }

    /// <summary>Ids.</summary>
    public long[] Ids()
    {
        var ids = new long[Count()];
        var last = 0L;
        for (var i = 0; i < ids.Length; i++)
        {
            ids[i] = last += Long();
        }

        return ids;
    }

    private static InvalidDataException Truncated() => new("A message between nodes ends too early");
}
