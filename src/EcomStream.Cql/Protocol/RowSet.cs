using System.Buffers.Binary;
using System.Text;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// The rows of one page (native_protocol_v5.spec, section 4.2.5.2), read forward. Values are decoded when they are
/// asked for.
/// </summary>
public sealed class RowSet
{
    private readonly byte[] _body;
    private readonly (int Start, int Length)[] _values;
    private int _position;
    private int _left;

    private RowSet(byte[] body, ResultMetadata metadata, byte[]? pagingState, int columns, int rows, int position)
    {
        (_body, Columns, PagingState, Count) = (body, metadata.Columns, pagingState, rows);
        _values = new (int, int)[columns];
        _left = rows;
        _position = position;
    }

    /// <summary>A page without rows or columns.</summary>
    public static RowSet Empty { get; } = new([], ResultMetadata.None, null, 0, 0, 0);

    /// <summary>The columns of each row.</summary>
    public IReadOnlyList<CqlColumn> Columns { get; }

    /// <summary>The paging state of the next page; null on the last one.</summary>
    public byte[]? PagingState { get; }

    /// <summary>Rows on this page.</summary>
    public int Count { get; }

    /// <summary>Reads a RESULT of any kind; all but Rows are empty.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="statement">The statement that was executed without asking for metadata; null where it was asked for.</param>
    internal static RowSet Read(CqlResponse response, PreparedStatement? statement = null)
    {
        var reader = new ByteReader(response.Body);
        if (response.Opcode != Opcode.Result || (ResultKind)reader.Int() != ResultKind.Rows)
        {
            return Empty;
        }

        var metadata = ResultMetadata.Read(ref reader, out var pagingState);
        if (statement is not null)
        {
            if (metadata.Id.Length > 0)
            {
                statement.Result = metadata;
            }
            else if (metadata.Columns.Count == 0)
            {
                metadata = statement.Result;
            }
        }

        var rows = metadata.Columns.Count > 0
            ? reader.Bounded(reader.Int(), (long)metadata.Columns.Count * sizeof(int))
            : reader.Int() is 0 ? 0 : throw new CqlProtocolException("A result from the server has rows and no columns.");
        return new RowSet(response.Body, metadata, pagingState, metadata.Columns.Count, rows, reader.Position);
    }

    /// <summary>Goes to the next row.</summary>
    /// <returns>Whether there is one.</returns>
    public bool Next()
    {
        if (_left == 0)
        {
            return false;
        }

        _left--;
        var reader = new ByteReader(_body.AsSpan(_position));
        for (var i = 0; i < _values.Length; i++)
        {
            var length = reader.Int();
            _values[i] = (_position + reader.Position, length);
            if (length > 0)
            {
                _ = reader.Take(length);
            }
        }

        _position += reader.Position;
        return true;
    }

    /// <summary>Whether a column of the row has no value.</summary>
    public bool IsNull(int column) => _values[column].Length < 0;

    /// <summary>The value's bytes; empty for a null.</summary>
    public ReadOnlySpan<byte> Bytes(int column) => _values[column] is (var start, > 0 and var length) ? _body.AsSpan(start, length) : default;

    /// <summary>A bigint; null for a null and for a value of another size.</summary>
    public long? Int64OrNull(int column) => _values[column].Length == sizeof(long) ? BinaryPrimitives.ReadInt64BigEndian(Bytes(column)) : null;

    /// <summary>A bigint.</summary>
    /// <exception cref="CqlProtocolException">It is null, or its size is not that of the type.</exception>
    public long Int64(int column) => Int64OrNull(column) ?? throw Missing(column);

    /// <summary>An int; null for a null and for a value of another size.</summary>
    public int? Int32OrNull(int column) => _values[column].Length == sizeof(int) ? BinaryPrimitives.ReadInt32BigEndian(Bytes(column)) : null;

    /// <summary>An int.</summary>
    /// <exception cref="CqlProtocolException">It is null, or its size is not that of the type.</exception>
    public int Int32(int column) => Int32OrNull(column) ?? throw Missing(column);

    /// <summary>A double; null for a null and for a value of another size.</summary>
    public double? DoubleOrNull(int column) => _values[column].Length == sizeof(double) ? BinaryPrimitives.ReadDoubleBigEndian(Bytes(column)) : null;

    /// <summary>A text; null for a null.</summary>
    public string? TextOrNull(int column) => IsNull(column) ? null : Encoding.UTF8.GetString(Bytes(column));

    /// <summary>A text.</summary>
    /// <exception cref="CqlProtocolException">It is null.</exception>
    public string Text(int column) => TextOrNull(column) ?? throw Missing(column);

    /// <summary>The value as an object (see <see cref="CqlTypeCode"/>); null for a null, and for an empty value of a type that has no empty value.</summary>
    /// <exception cref="CqlProtocolException">Its bytes are not a value of the type, or .NET has no such value.</exception>
    public object? Value(int column) => IsNull(column) ? null : CqlValue.Decode(Columns[column].Type, Bytes(column));

    private CqlProtocolException Missing(int column) => new($"Column {Columns[column].Name} has no value, or one of an unexpected size.");
}
