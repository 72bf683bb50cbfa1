using EcomStream.Cassandra.Seam;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cassandra.Native;

/// <summary>A statement that EcomStream.Cql has prepared.</summary>
internal sealed class NativeStatement(PreparedStatement prepared) : IStatement
{
    public PreparedStatement Prepared => prepared;

    public string Cql => prepared.Cql;
}
