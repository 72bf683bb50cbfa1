using System.Buffers.Binary;
using System.Text;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tests.InMemory;

/// <summary>Rows of serialized values; a map is a dictionary.</summary>
internal sealed class InMemoryPage(IReadOnlyList<object?[]> rows, byte[]? pagingState = null) : IPage
{
    private int _at = -1;

    public byte[]? PagingState => pagingState;

    public bool Next() => ++_at < rows.Count;

    public bool IsNull(int column) => rows[_at][column] is null;

    public ReadOnlySpan<byte> Bytes(int column) => rows[_at][column] as byte[];

    public long? Int64OrNull(int column) => Bytes(column) is { Length: sizeof(long) } bytes ? BinaryPrimitives.ReadInt64BigEndian(bytes) : null;

    public int? Int32OrNull(int column) => Bytes(column) is { Length: sizeof(int) } bytes ? BinaryPrimitives.ReadInt32BigEndian(bytes) : null;

    public double? DoubleOrNull(int column) => Bytes(column) is { Length: sizeof(double) } bytes ? BinaryPrimitives.ReadDoubleBigEndian(bytes) : null;

    public string? TextOrNull(int column) => IsNull(column) ? null : Encoding.UTF8.GetString(Bytes(column));

    public IReadOnlyDictionary<string, string> Map(int column) =>
        rows[_at][column] as IReadOnlyDictionary<string, string> ?? new Dictionary<string, string>();
}
