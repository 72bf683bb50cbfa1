using System.Buffers.Binary;
using System.Text;
using Cassandra;
using EcomStream.Cassandra.Seam;

namespace EcomStream.DataStax;

/// <summary>A page of the driver's rows.</summary>
internal sealed class DriverPage(RowSet rows) : IPage
{
    private readonly IEnumerator<Row> _rows = rows.GetEnumerator();

    public byte[]? PagingState => rows.PagingState;

    public bool Next() => _rows.MoveNext();

    public bool IsNull(int column) => _rows.Current.IsNull(column);

    public ReadOnlySpan<byte> Bytes(int column) => _rows.Current[column] switch
    {
        string text => Encoding.UTF8.GetBytes(text),
        bool value => new[] { (byte)(value ? 1 : 0) },
        var bytes => (byte[]?)bytes,
    };

    public long? Int64OrNull(int column) =>
        Bytes(column) is { Length: sizeof(long) } bytes ? BinaryPrimitives.ReadInt64BigEndian(bytes) : null;

    public int? Int32OrNull(int column) => _rows.Current.GetValue<int?>(column);

    public double? DoubleOrNull(int column) => _rows.Current.GetValue<double?>(column);

    public string? TextOrNull(int column) => _rows.Current.GetValue<string?>(column);

    public IReadOnlyDictionary<string, string> Map(int column) =>
        _rows.Current.GetValue<IDictionary<string, string>?>(column) is { } map
            ? new Dictionary<string, string>(map)
            : new Dictionary<string, string>();
}
