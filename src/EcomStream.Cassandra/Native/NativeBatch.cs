using EcomStream.Cassandra.Seam;
using EcomStream.Cql.Cluster;

namespace EcomStream.Cassandra.Native;

/// <summary>A batch that is encoded as it is filled.</summary>
internal sealed class NativeBatch(byte version) : IWriteBatch
{
    public StatementBatch Statements { get; } = new(version);

    public int Rows => Statements.Rows;

    public int Length => Statements.Length;

    public void Add<TValues>(IStatement statement, in TValues values)
        where TValues : struct, IStatementValues
    {
        var cells = new NativeCells(Statements.Add(((NativeStatement)statement).Prepared));
        values.Write(ref cells);
    }

    public void Append(IWriteBatch row) => Statements.Append(((NativeBatch)row).Statements);

    public void Clear() => Statements.Clear();

    public void Dispose() => Statements.Dispose();
}
