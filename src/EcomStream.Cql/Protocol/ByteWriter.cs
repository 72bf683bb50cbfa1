using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// Writes the notations of the native protocol (native_protocol_v5.spec, section 3; big-endian) into a buffer that
/// grows. The buffer is rented: dispose returns it.
/// </summary>
internal sealed class ByteWriter(int capacity = 512) : IDisposable
{
    /// <summary>The length that says that a value is null.</summary>
    public const int Null = -1;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(capacity);

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(0, Length);

    /// <summary>Forgets what was written from <paramref name="length"/> on.</summary>
    public void Truncate(int length) => Length = length;

    /// <summary>Room for <paramref name="count"/> bytes, which count as written.</summary>
    public Span<byte> Take(int count)
    {
        Reserve(count);
        var span = _buffer.AsSpan(Length, count);
        Length += count;
        return span;
    }

    public void Byte(byte value)
    {
        Reserve(1);
        _buffer[Length++] = value;
    }

    public void Short(int value) => BinaryPrimitives.WriteUInt16BigEndian(Take(sizeof(ushort)), checked((ushort)value));

    public void Int(int value) => BinaryPrimitives.WriteInt32BigEndian(Take(sizeof(int)), value);

    public void Long(long value) => BinaryPrimitives.WriteInt64BigEndian(Take(sizeof(long)), value);

    public void Raw(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    /// <summary>[string]: a [short] of UTF-8 bytes and the bytes.</summary>
    public void String(string text)
    {
        Short(Encoding.UTF8.GetByteCount(text));
        Encoding.UTF8.GetBytes(text, Take(Encoding.UTF8.GetByteCount(text)));
    }

    /// <summary>[long string]: an [int] of UTF-8 bytes and the bytes.</summary>
    public void LongString(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        Int(length);
        Encoding.UTF8.GetBytes(text, Take(length));
    }

    /// <summary>[short bytes].</summary>
    public void ShortBytes(ReadOnlySpan<byte> bytes)
    {
        Short(bytes.Length);
        Raw(bytes);
    }

    /// <summary>[bytes] or [value].</summary>
    public void Value(ReadOnlySpan<byte> bytes)
    {
        Int(bytes.Length);
        Raw(bytes);
    }

    public void NullValue() => Int(Null);

    /// <summary>A value of no bytes, which is not null (section 6: legal for most types).</summary>
    public void EmptyValue() => Int(0);

    /// <summary>A bigint or a null.</summary>
    public void Value(long? value)
    {
        if (value is { } number)
        {
            var span = Take(sizeof(int) + sizeof(long));
            BinaryPrimitives.WriteInt32BigEndian(span, sizeof(long));
            BinaryPrimitives.WriteInt64BigEndian(span[sizeof(int)..], number);
        }
        else
        {
            NullValue();
        }
    }

    /// <summary>An int.</summary>
    public void Value(int value)
    {
        Int(sizeof(int));
        Int(value);
    }

    /// <summary>A double or a null.</summary>
    public void Value(double? value)
    {
        if (value is { } number)
        {
            Int(sizeof(double));
            BinaryPrimitives.WriteDoubleBigEndian(Take(sizeof(double)), number);
        }
        else
        {
            NullValue();
        }
    }

    /// <summary>A text or a null.</summary>
    public void Value(string? value)
    {
        if (value is null)
        {
            NullValue();
            return;
        }

        // Encoded at once behind a length that is known after.
        var at = Length;
        Int(0);
        Reserve(Encoding.UTF8.GetMaxByteCount(value.Length));
        var length = Encoding.UTF8.GetBytes(value, _buffer.AsSpan(Length));
        Length += length;
        PatchInt(at, length);
    }

    /// <summary>A list of bigints (section 6.12).</summary>
    public void List(IReadOnlyCollection<long> elements)
    {
        Int(sizeof(int) + (elements.Count * (sizeof(int) + sizeof(long))));
        Int(elements.Count);
        foreach (var element in elements)
        {
            Value((long?)element);
        }
    }

    /// <summary>[string map].</summary>
    public void StringMap(IReadOnlyCollection<KeyValuePair<string, string>> map)
    {
        Short(map.Count);
        foreach (var (key, value) in map)
        {
            String(key);
            String(value);
        }
    }

    /// <summary>[string list].</summary>
    public void StringList(IReadOnlyCollection<string> list)
    {
        Short(list.Count);
        foreach (var text in list)
        {
            String(text);
        }
    }

    public void PatchInt(int at, int value) => BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(at), value);

    public void PatchShort(int at, int value) => BinaryPrimitives.WriteUInt16BigEndian(_buffer.AsSpan(at), checked((ushort)value));

    public void Dispose()
    {
        var buffer = _buffer;
        _buffer = [];
        Length = 0;
        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Reserve(int count)
    {
        if (_buffer.Length - Length >= count)
        {
            return;
        }

        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max((long)_buffer.Length * 2, (long)Length + count)));
        _buffer.AsSpan(0, Length).CopyTo(larger);
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        _buffer = larger;
    }
}
