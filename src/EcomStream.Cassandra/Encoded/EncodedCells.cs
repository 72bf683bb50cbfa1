using System.Buffers.Binary;
using System.Text;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Encoded;

/// <summary>
/// Encodes each value as CQL does (native_protocol_v5.spec, section 6), for clients that accept a value's bytes in place
/// of the value. A client that encodes values by their .NET type has no type for a bigint without bytes.
/// </summary>
internal readonly struct EncodedCells(List<byte[]?> values) : ICells
{
    // The length of an element, before it.
    private const int ElementHeader = sizeof(int);

    /// <summary>The values of a statement; null for null.</summary>
    public static byte[]?[] Of<TValues>(in TValues values)
        where TValues : struct, IStatementValues
    {
        var taken = new List<byte[]?>();
        var cells = new EncodedCells(taken);
        values.Write(ref cells);
        return [.. taken];
    }

    public void Bigint(long? value) => values.Add(value is { } number ? Bytes(number) : null);

    public void Int(int value)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        values.Add(bytes);
    }

    public void Double(double? value) => values.Add(value is { } number ? Bytes(BitConverter.DoubleToInt64Bits(number)) : null);

    public void Text(string? value) => values.Add(value is null ? null : Encoding.UTF8.GetBytes(value));

    public void Blob(ReadOnlySpan<byte> value) => values.Add(value.ToArray());

    public void Empty() => values.Add([]);

    public void Bigints(IReadOnlyCollection<long> elements)
    {
        var bytes = new byte[sizeof(int) + (elements.Count * (ElementHeader + sizeof(long)))];
        BinaryPrimitives.WriteInt32BigEndian(bytes, elements.Count);
        var at = sizeof(int);
        foreach (var element in elements)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(at), sizeof(long));
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(at + ElementHeader), element);
            at += ElementHeader + sizeof(long);
        }

        values.Add(bytes);
    }

    private static byte[] Bytes(long value)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }
}
