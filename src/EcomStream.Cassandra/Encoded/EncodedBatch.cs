using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Encoded;

/// <summary>A batch as a list of statements with their encoded values.</summary>
internal sealed class EncodedBatch : IWriteBatch
{
    // What a statement takes in a BATCH message beside its values: the kind, the id of 16 bytes with its length, and the
    // number of values (native_protocol_v5.spec, section 4.1.7).
    private const int StatementHeader = 21;
    private const int ValueHeader = sizeof(int);

    private readonly List<(IStatement Statement, byte[]?[] Values)> _statements = [];

    /// <summary>The statements, in the order in which they were added.</summary>
    public IReadOnlyList<(IStatement Statement, byte[]?[] Values)> Statements => _statements;

    public int Rows { get; private set; }

    public int Length { get; private set; }

    public void Add<TValues>(IStatement statement, in TValues values)
        where TValues : struct, IStatementValues
    {
        var encoded = EncodedCells.Of(values);
        _statements.Add((statement, encoded));
        Length += StatementHeader + encoded.Sum(value => ValueHeader + (value?.Length ?? 0));
    }

    public void Append(IWriteBatch row)
    {
        var appended = (EncodedBatch)row;
        _statements.AddRange(appended._statements);
        Length += appended.Length;
        Rows++;
    }

    public void Clear()
    {
        _statements.Clear();
        (Rows, Length) = (0, 0);
    }

    public void Dispose()
    {
        // Nothing is held.
    }
}
