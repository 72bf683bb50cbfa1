using Cassandra;
using Cassandra.Serialization;

namespace EcomStream.DataStax;

/// <summary>
/// Reads a bigint as its bytes. The driver's own serializer reads eight bytes whatever the length: of a value without
/// bytes, which marks a side whose columns are all null, it returns the bytes of the next column. It is in effect for the
/// store's session alone.
/// </summary>
internal sealed class RawBigintSerializer : TypeSerializer<byte[]>
{
    public override ColumnTypeCode CqlType => ColumnTypeCode.Bigint;

    public override byte[] Deserialize(ushort protocolVersion, byte[] buffer, int offset, int length, IColumnInfo typeInfo) =>
        buffer.AsSpan(offset, length).ToArray();

    public override byte[] Serialize(ushort protocolVersion, byte[] value) => value;
}
