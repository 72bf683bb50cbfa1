using EcomStream.Cassandra.Seam;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cassandra.Native;

/// <summary>Encodes values as the native protocol sends them.</summary>
internal readonly struct NativeCells(ByteWriter writer) : ICells
{
    public void Bigint(long? value) => writer.Value(value);

    public void Int(int value) => writer.Value(value);

    public void Double(double? value) => writer.Value(value);

    public void Text(string? value) => writer.Value(value);

    public void Blob(ReadOnlySpan<byte> value) => writer.Value(value);

    public void Empty() => writer.EmptyValue();

    public void Bigints(IReadOnlyCollection<long> values) => writer.List(values);
}
