using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Cluster;

/// <summary>Makes requests of CQL text.</summary>
internal static class QueryRequest
{
    private const int PageSizeFlag = 0x04;
    private const int PagingStateFlag = 0x08;

    /// <summary>A QUERY without values (native_protocol_v5.spec, section 4.1.4).</summary>
    public static CqlRequest Of(string cql, byte version, Consistency consistency, int pageSize = 0, byte[]? pagingState = null)
    {
        using var body = new ByteWriter();
        body.LongString(cql);
        Parameters(body, version, consistency, 0, pageSize, pagingState, null);
        return new CqlRequest(Opcode.Query, body.Written.ToArray(), cql);
    }

    /// <summary>Asks one connection, in one page.</summary>
    public static async Task<RowSet> SendAsync(CqlConnection connection, byte version, string cql, CancellationToken cancellationToken) =>
        RowSet.Read(await connection.SendAsync(Of(cql, version, Consistency.One), cancellationToken));

    /// <summary>Writes the parameters of a QUERY or EXECUTE; their flags are a byte before v5 and an [int] since.</summary>
    public static void Parameters(
        ByteWriter body, byte version, Consistency consistency, int flags, int pageSize, byte[]? pagingState, Action<ByteWriter>? values)
    {
        body.Short((int)consistency);
        flags |= (pageSize > 0 ? PageSizeFlag : 0) | (pagingState is null ? 0 : PagingStateFlag);
        if (version >= 5)
        {
            body.Int(flags);
        }
        else
        {
            body.Byte((byte)flags);
        }

        values?.Invoke(body);
        if (pageSize > 0)
        {
            body.Int(pageSize);
        }

        if (pagingState is not null)
        {
            body.Value(pagingState);
        }
    }
}
