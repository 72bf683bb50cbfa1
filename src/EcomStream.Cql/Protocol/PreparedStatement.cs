namespace EcomStream.Cql.Protocol;

/// <summary>A statement that nodes know by id (native_protocol_v5.spec, section 4.2.5.4).</summary>
/// <param name="Cql">Its text.</param>
/// <param name="Id">Its id.</param>
/// <param name="Parameters">Its bind markers.</param>
internal sealed record PreparedStatement(string Cql, byte[] Id, IReadOnlyList<CqlColumn> Parameters)
{
    private volatile byte[] _id = Id;
    private volatile ResultMetadata _result = ResultMetadata.None;

    /// <summary>Its id, the same on every node of a version; a node of another version may have given it another one.</summary>
    public byte[] Id
    {
        get => _id;
        set => _id = value;
    }

    /// <summary>The columns of its result; the server sends them again when they change.</summary>
    public ResultMetadata Result
    {
        get => _result;
        set => _result = value;
    }

    /// <summary>Reads the answer to a PREPARE.</summary>
    public static PreparedStatement Read(string cql, ReadOnlySpan<byte> body, byte version)
    {
        var reader = new ByteReader(body);
        if ((ResultKind)reader.Int() != ResultKind.Prepared)
        {
            throw new CqlProtocolException($"The answer to PREPARE {cql} is not a prepared statement.");
        }

        var id = reader.ShortBytes();
        var resultId = version >= 5 ? reader.ShortBytes() : [];
        var flags = (RowsFlags)reader.Int();
        var count = reader.Int();
        for (var left = reader.Int(); left > 0; left--)
        {
            _ = reader.Short();
        }

        var parameters = ResultMetadata.ReadColumns(ref reader, flags, count);
        var result = ResultMetadata.Read(ref reader, out _);
        return new PreparedStatement(cql, id, parameters) { Result = result with { Id = resultId } };
    }
}

/// <summary>The flags of a Rows result's metadata (section 4.2.5.2).</summary>
[Flags]
internal enum RowsFlags
{
    None = 0,
    GlobalTableSpec = 0x0001,
    HasMorePages = 0x0002,
    NoMetadata = 0x0004,
    MetadataChanged = 0x0008,
}

/// <summary>The columns of a result.</summary>
/// <param name="Id">The metadata's id, protocol v5; empty where there is none.</param>
/// <param name="Columns">The columns; empty when the server left them out.</param>
internal sealed record ResultMetadata(byte[] Id, IReadOnlyList<CqlColumn> Columns)
{
    // The length of its name, and its type.
    private const int LeastColumnBytes = 4;

    public static ResultMetadata None { get; } = new([], []);

    /// <summary>Reads a Rows result's metadata.</summary>
    public static ResultMetadata Read(ref ByteReader reader, out byte[]? pagingState)
    {
        var flags = (RowsFlags)reader.Int();
        var count = reader.Int();
        pagingState = flags.HasFlag(RowsFlags.HasMorePages) ? reader.BytesOrNull() : null;
        var id = flags.HasFlag(RowsFlags.MetadataChanged) ? reader.ShortBytes() : [];
        return new ResultMetadata(id, flags.HasFlag(RowsFlags.NoMetadata) ? [] : ReadColumns(ref reader, flags, count));
    }

    public static CqlColumn[] ReadColumns(ref ByteReader reader, RowsFlags flags, int count)
    {
        count = reader.Bounded(count, LeastColumnBytes);
        if (flags.HasFlag(RowsFlags.GlobalTableSpec) && count > 0)
        {
            _ = reader.String();
            _ = reader.String();
        }

        var columns = new CqlColumn[count];
        for (var i = 0; i < count; i++)
        {
            if (!flags.HasFlag(RowsFlags.GlobalTableSpec))
            {
                _ = reader.String();
                _ = reader.String();
            }

            columns[i] = new CqlColumn(reader.String(), CqlType.Read(ref reader));
        }

        return columns;
    }
}
