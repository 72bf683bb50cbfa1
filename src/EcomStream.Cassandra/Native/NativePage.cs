using EcomStream.Cassandra.Seam;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cassandra.Native;

/// <summary>A page as it came from the server.</summary>
internal sealed class NativePage(RowSet rows) : IPage
{
    public byte[]? PagingState => rows.PagingState;

    public bool Next() => rows.Next();

    public bool IsNull(int column) => rows.IsNull(column);

    public ReadOnlySpan<byte> Bytes(int column) => rows.Bytes(column);

    public long? Int64OrNull(int column) => rows.Int64OrNull(column);

    public int? Int32OrNull(int column) => rows.Int32OrNull(column);

    public double? DoubleOrNull(int column) => rows.DoubleOrNull(column);

    public string? TextOrNull(int column) => rows.TextOrNull(column);

    public IReadOnlyDictionary<string, string> Map(int column) =>
        rows.Value(column) is Dictionary<object, object?> map
            ? map.ToDictionary(entry => (string)entry.Key, entry => (string?)entry.Value ?? "")
            : new Dictionary<string, string>();
}
